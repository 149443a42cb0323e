"""Reads the HTTP bindings that a method declares with `google.api.http`, and the one each has without declaring it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from gateway.core.options import http_rule
from gateway.core.path_template import PathTemplate, TemplateError, parse_template

WHOLE = "*"
"""As `body`: the whole request message."""
ANY_METHOD = "*"


class RuleError(ValueError):
    """A binding that cannot be served; the text names the method and says why. Raised at start only."""


@dataclass(frozen=True, slots=True)
class HttpBinding:
    """One HTTP face of a method. `body` and `response_body` are field names; `body` may be `WHOLE`, "" is none."""

    http_method: str
    template: PathTemplate
    body: str = ""
    response_body: str = ""


def declared_bindings(method: MethodDescriptor) -> list[HttpBinding]:
    """Give the bindings of a method's annotation, the additional ones last; none without an annotation."""
    rule = http_rule(method)
    if rule is None:
        return []
    if method.client_streaming and method.server_streaming:
        raise RuleError(f"{method.full_name}: streams both ways cannot have an HTTP rule")
    return [_binding(method, each) for each in _rules(method, rule)]


def default_binding(method: MethodDescriptor) -> HttpBinding:
    """Give the binding that each method has besides its own: `POST /package.Service/Method`, the request as body."""
    return HttpBinding("POST", parse_template(rpc_path(method)), body=WHOLE)


def rpc_path(method: MethodDescriptor) -> str:
    """Give `/package.Service/Method`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _rules(method: MethodDescriptor, rule: Any) -> Iterator[Any]:
    yield rule
    for additional in rule.additional_bindings:
        if additional.additional_bindings:
            raise RuleError(f"{method.full_name}: additional_bindings may not have additional_bindings")
        yield additional


def _binding(method: MethodDescriptor, rule: Any) -> HttpBinding:
    pattern = rule.WhichOneof("pattern")
    if pattern is None:
        raise RuleError(f"{method.full_name}: the HTTP rule has no method and path")
    if pattern == "custom":
        http_method, path = rule.custom.kind, rule.custom.path
        if http_method != ANY_METHOD and not (
            http_method.isascii() and http_method.isalpha() and http_method.isupper()
        ):
            raise RuleError(f"{method.full_name}: {http_method!r} is no HTTP method")
    else:
        http_method, path = pattern.upper(), getattr(rule, pattern)
    try:
        template = parse_template(path)
    except TemplateError as error:
        raise RuleError(f"{method.full_name}: {error}") from None
    return HttpBinding(http_method, template, rule.body, rule.response_body)
