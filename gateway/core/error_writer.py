"""Writes problems in a dialect: the HTTP status, the headers and the body that its protos declare."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec import Codecs, JsonError
from gateway.core.dialect import PLAIN, Dialect, ErrorOverride
from gateway.core.problem import Detail, Problem
from gateway.core.status import http_status

Headers = tuple[tuple[bytes, bytes], ...]
_UNAUTHORIZED = 401
_UTF8_JSON = b"application/json"


class ErrorFormatError(ValueError):
    """The declared shape of error replies cannot be used; raised at start only."""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A problem as an HTTP reply."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class _Facts:
    """A problem after the dialect's exceptions: what the placeholders stand for."""

    problem: Problem
    status: int
    message: str


class DetailWriter:
    """Writes status details as plain ProtoJSON with `@type`, as far as the pool knows their types."""

    def __init__(self, pool: DescriptorPool, codecs: Codecs) -> None:
        self._pool = pool
        self._codecs = codecs

    def write(self, details: tuple[Detail, ...]) -> list[dict[str, Any]]:
        """Give the details as trees; one of an unknown type is shown by its `@type` alone."""
        return [{"@type": detail.type_url, **self._members(detail)} for detail in details]

    def _members(self, detail: Detail) -> dict[str, Any]:
        try:
            descriptor = self._pool.FindMessageTypeByName(detail.type_url.rpartition("/")[2])
            message = GetMessageClass(descriptor).FromString(detail.value)
            value = self._codecs.message(descriptor, PLAIN).encode_value(message)
        except (KeyError, DecodeError, JsonError):
            return {}
        return value if isinstance(value, dict) else {"value": value}


def error_headers(problem: Problem, status: int, authenticate_scheme: str) -> Headers:
    """Give the headers of a JSON reply that tells of a problem."""
    headers = [(b"content-type", _UTF8_JSON), *problem.headers]
    if problem.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(math.ceil(problem.retry_after), 0)))
    if status == _UNAUTHORIZED:
        headers.append((b"www-authenticate", authenticate_scheme.encode()))
    return tuple(headers)


class ErrorWriter:
    """Writes problems in one dialect."""

    def __init__(self, dialect: Dialect, details: DetailWriter) -> None:
        self._dialect = dialect
        self._details = details
        try:
            template = orjson.loads(dialect.errors.body)
        except orjson.JSONDecodeError as error:
            raise ErrorFormatError(f"the error body {dialect.errors.body!r} is no JSON: {error}") from None
        self._fill = self._compile(template)

    def write(self, problem: Problem) -> ErrorReply:
        """Give the reply that tells of the problem."""
        facts = self._facts(problem)
        headers = error_headers(problem, facts.status, self._dialect.authenticate_scheme)
        return ErrorReply(facts.status, headers, orjson.dumps(self._fill(facts)))

    def _facts(self, problem: Problem) -> _Facts:
        status = problem.http_status or http_status(problem.code, problem.message)
        message = problem.message
        override = next((each for each in self._dialect.errors.overrides if _applies(each, problem)), None)
        if override is None:
            return _Facts(problem, status, message)
        # A status that no code stands for (405, 415 …) yields only to an exception made for its very reason.
        if override.http_status and (problem.http_status is None or override.reason):
            status = override.http_status
        if override.message:
            message = override.message
            for name, value in problem.metadata.items():
                message = message.replace("{" + name + "}", value)
        return _Facts(problem, status, message)

    def _compile(self, template: Any) -> Callable[[_Facts], Any]:
        match template:
            case dict():
                members = {key: self._compile(value) for key, value in template.items()}
                return lambda facts: {key: fill(facts) for key, fill in members.items()}
            case list():
                items = [self._compile(value) for value in template]
                return lambda facts: [fill(facts) for fill in items]
            case str() if template.startswith("$"):
                return self._placeholder(template)
            case _:
                return lambda _: template

    def _placeholder(self, name: str) -> Callable[[_Facts], Any]:
        match name:
            case "$http":
                return lambda facts: facts.status
            case "$code":
                return lambda facts: facts.problem.code.name
            case "$message":
                return lambda facts: facts.message
            case "$reason":
                return lambda facts: facts.problem.reason or facts.problem.code.name
            case "$details":
                return lambda facts: self._details.write(facts.problem.details)
            case "$metadata":
                return lambda facts: _metadata(facts.problem)
            case _:
                raise ErrorFormatError(
                    f"the error body {self._dialect.errors.body!r} has the unknown placeholder {name}"
                )


def _applies(override: ErrorOverride, problem: Problem) -> bool:
    return override.code in ("", problem.code.name) and override.reason in ("", problem.reason)


def _metadata(problem: Problem) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(problem.metadata)
    if problem.violations:
        metadata["fields"] = [violation._asdict() for violation in problem.violations]
    return metadata
