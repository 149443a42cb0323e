"""Connect's error bodies."""

import base64
from typing import Final

import orjson

from gateway.core.connect.envelope import end_of_stream
from gateway.core.error_writer import ErrorReply, error_headers
from gateway.core.problem import Detail, Problem
from gateway.core.status import Code, http_status

_CANCELED: Final = "canceled"
_OK: Final = 200


class ConnectErrorWriter:
    """Writes problems as Connect's unary replies have them: `{code, message, details}` and a status of its table."""

    def __init__(self, *, authenticate_scheme: str) -> None:
        self._scheme = authenticate_scheme

    def write(self, problem: Problem) -> ErrorReply:
        """Give the reply that tells of the problem."""
        status = problem.http_status or http_status(problem.code, problem.message)
        headers = error_headers(problem, status, self._scheme)
        return ErrorReply(status, headers, orjson.dumps(error_of(problem)))


class ConnectStreamErrorWriter:
    """Writes problems as the end of a Connect stream, whose status is always 200."""

    def __init__(self, content_type: str) -> None:
        self._headers = ((b"content-type", content_type.encode()),)

    def write(self, problem: Problem) -> ErrorReply:
        """Give the envelope that ends the stream; where there was no stream yet, it is the whole reply."""
        return ErrorReply(_OK, self._headers, end_of_stream(error_of(problem)))


def word_of(code: Code) -> str:
    """Connect's word for a gRPC status code."""
    return _CANCELED if code is Code.CANCELLED else code.name.lower()


def error_of(problem: Problem) -> dict[str, object]:
    """The JSON of an error: `code`, and `message` and `details` where there are any; bytes as unpadded base64."""
    error: dict[str, object] = {"code": word_of(problem.code)}
    if problem.message:
        error["message"] = problem.message
    if problem.details:
        error["details"] = [_detail(detail) for detail in problem.details]
    return error


def _detail(detail: Detail) -> dict[str, str]:
    value = base64.b64encode(detail.value).decode().rstrip("=")
    return {"type": detail.type_url.rpartition("/")[2], "value": value}
