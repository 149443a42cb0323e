"""Checks requests against the rules of their protos."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from protovalidate import FieldPathPb, Validator, Violation

from server.domain.errors import FieldViolation, InvalidField
from server.rpc.interceptors.depth import DEEPEST, has_free_form, too_deep


class Undecodable:
    """Stands for a request whose bytes are no message of its type; it is refused like any other invalid one."""


UNDECODABLE: Final = Undecodable()


def forgiving(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A deserialiser that answers `UNDECODABLE` instead of raising: gRPC would show the caller the exception's text and
    call it UNKNOWN, before any interceptor's handler runs."""

    def decode(raw: bytes) -> Any:
        try:
            return deserialize(raw)
        except DecodeError:
            return UNDECODABLE

    return decode


class Validation:
    """The compiled rules of a set of request types."""

    def __init__(self, requests: Iterable[type[Message]]) -> None:
        """Compile everything now: the first call is as fast as the next, and a wrong rule is found at start."""
        self._validator = Validator()
        self._free_form: set[type[Message]] = set()
        for request in requests:
            if has_free_form(request):
                self._free_form.add(request)
            self._validator.collect_violations(request())

    def check(self, request: Any) -> None:
        """Raises `InvalidField` naming every field that breaks its rule."""
        if request is UNDECODABLE:
            raise InvalidField([FieldViolation("", "the request is not a message of this method")])
        if type(request) in self._free_form and (path := too_deep(request)) is not None:
            raise InvalidField([FieldViolation(path, f"is nested too deeply (at most {DEEPEST} levels)")])
        violations = self._validator.collect_violations(request)
        if violations:
            raise InvalidField([_violation(violation) for violation in violations])


def _violation(violation: Violation) -> FieldViolation:
    proto = violation.proto
    return FieldViolation(_path(proto.field), proto.message or proto.rule_id)


def _path(path: FieldPathPb | None) -> str:
    """A field's path in proto spelling, as `google.rpc.BadRequest` has it: `user_message.content`, `items[2].name`."""
    if path is None:
        return ""
    return ".".join(f"{element.field_name}{_subscript(element)}" for element in path.elements)


def _subscript(element: Any) -> str:
    subscript = getattr(element, "subscript", None)
    return "" if subscript is None else f"[{subscript.value!r}]"
