"""What a caller gets to see of a call, down to the bytes, but for what tells one call from another."""

import base64
import re
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import grpc
import httpx
from google.api import annotations_pb2  # type: ignore[import-untyped]  # ships no stubs
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.contract.api.documented_json import HTTP_BODY, documented, http_call
from tests.contract.api.serving import Served

_NAMED: Final = "<the name>"
# What differs from call to call, whoever calls: limits that count calls, the moment, which the server names.
_COUNTED: Final = re.compile(r"date|content-length|x-request-id|x-ratelimit-.*|ratelimit.*|server-timing")
_PACKED: Final = re.compile(rb'(?<="value":")([\w+/]+)(?=")')
"""A detail of an error as the Connect protocol has it: names from the request stand in it, too."""
_MADE: Final = (
    (re.compile(r"\b[ud]\.[0-9a-f-]{36}\.\d+\.[\w-]{43}"), "<signature>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b(run_|call_|msg_)?[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\b\d+\.\d+s\b"), "<seconds>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<moment>"),
    (re.compile(r"\b1[0-9]{12}\b"), "<milliseconds>"),
    (re.compile(r"(sk|pk)_(live|test)_[0-9A-Za-z]{8}(_[0-9A-Za-z]{49})?"), "<key>"),
    (re.compile(r"whsec_[0-9A-Za-z+/]{43}="), "<secret>"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, and all that came of it."""

    status: str
    """The gRPC code or HTTP status."""
    headers: tuple[tuple[str, bytes], ...]
    body: bytes

    @property
    def is_refusal(self) -> bool:
        """Whether the call was refused."""
        return self.status not in ("OK", "200", "201", "204")

    def but_for(self, name: str) -> "Outcome":
        """The same where a name from the request stands in it; of a reply also what was made with it."""
        return Outcome(
            self.status,
            tuple((key, _without(name, value)) for key, value in self.headers),
            self._shown(name),
        )

    def _shown(self, name: str) -> bytes:
        body = _PACKED.sub(lambda found: repr(base64.b64decode(found[1] + b"==")).encode(), self.body)
        shown = _without(name, body)
        if self.is_refusal:
            return shown
        text = shown.decode(errors="replace")
        for pattern, word in _MADE:
            text = pattern.sub(word, text)
        return text.encode()


def _without(name: str, shown: bytes) -> bytes:
    """Of the name of an event a refusal repeats only the run."""
    for part in (name, name.partition(":")[0]):
        shown = shown.replace(part.encode(), _NAMED.encode())
    return shown


async def over_grpc(served: Served, method: MethodDescriptor, request: Message, headers: Mapping[str, str]) -> Outcome:
    """Of a gRPC call: messages, and all metadata of its end, the status with its details among them."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    kinds = (lambda message: message.SerializeToString(), GetMessageClass(method.output_type).FromString)
    replies: list[Message] = []
    open_call: Any = served.channel.unary_stream if method.server_streaming else served.channel.unary_unary
    call = open_call(path, *kinds)(request, metadata=tuple(headers.items()))
    try:
        if method.server_streaming:
            replies.extend([message async for message in call])
        else:
            replies.append(await call)
    except grpc.aio.AioRpcError as error:
        ended = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
        return Outcome(error.code().name, _headers(ended), f"{error.details()}".encode() + _text(replies))
    return Outcome("OK", (), _text(replies))


async def over_http(
    client: httpx.AsyncClient, call: tuple[str, str, Mapping[str, Any], Any], headers: Mapping[str, str]
) -> Outcome:
    """Of an HTTP call: the status line, the headers and the body."""
    verb, path, query, body = call
    request = client.build_request(verb, path, params=dict(query), json=body, headers=dict(headers))
    async with aclosing(await client.send(request, stream=True)) as response:
        content = await response.aread()
    return Outcome(str(response.status_code), _headers(response.headers.multi_items()), content)


def bindings(method: MethodDescriptor, request: Message) -> list[tuple[str, str, Mapping[str, Any], Any]]:
    """The calls by which a method is reached over HTTP: each of its routes, and its own path, where a unary one takes
    plain JSON."""
    rule = documented(method)[0].GetOptions().Extensions[annotations_pb2.http]
    calls = [http_call(method, request, each) for each in (rule, *rule.additional_bindings)]
    if not method.server_streaming and method.output_type.full_name != HTTP_BODY:
        calls.append(("POST", f"/{method.containing_service.full_name}/{method.name}", {}, MessageToDict(request)))
    return calls


def _headers(pairs: Iterable[tuple[str, str | bytes]]) -> tuple[tuple[str, bytes], ...]:
    told = ((key.lower(), value.encode() if isinstance(value, str) else value) for key, value in pairs)
    return tuple(sorted((key, value) for key, value in told if not _COUNTED.fullmatch(key)))


def _text(replies: Iterable[Message]) -> bytes:
    return "".join(str(MessageToDict(reply, always_print_fields_with_no_presence=True)) for reply in replies).encode()
