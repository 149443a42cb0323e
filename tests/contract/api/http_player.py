"""Plays calls on the documented HTTP/JSON routes."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import httpx
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from parley.options.v1 import options_pb2

from tests.contract.api.documented_json import HTTP_BODY, asked_field, http_call, message_of, raw_body, reply_of
from tests.contract.api.player import CallRefused
from tests.contract.api.refusal import Refusal

_END = "end"
PLAIN_BODIES = ({"success", "message"}, {"error", "message"})


class HttpPlayer:
    """Plays over HTTP/1.1 against a gateway. An error body tells reason and fields, or is a text."""

    shows: ClassVar[frozenset[str]] = frozenset({"reason", "fields", "http_status"})

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def unary(self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]) -> Message:
        """See `Player`."""
        response = await self._client.send(self._request(method, request, headers))
        if response.status_code != httpx.codes.OK:
            raise CallRefused(_refusal_by(method, response.json(), response.status_code))
        return reply_of(method, response.json())

    async def stream(
        self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]
    ) -> AsyncGenerator[Message, None]:
        """See `Player`."""
        response = await self._client.send(
            self._request(method, request, {"accept": "text/event-stream", **headers}), stream=True
        )
        try:
            if not response.is_success:
                await response.aread()
                raise CallRefused(_refusal_by(method, response.json(), response.status_code))
            if method.output_type.full_name == HTTP_BODY:
                yield GetMessageClass(method.output_type)(
                    content_type=response.headers["content-type"], data=await response.aread()
                )
                return
            async for identity, name, data in _events(response):
                if name == "error":
                    raise CallRefused(_refusal_by(method, data, None))
                members = [field.name for oneof in method.output_type.oneofs for field in oneof.fields]
                if name == _END and name not in members:
                    return
                yield _message(method, identity, name, data)
        finally:
            await response.aclose()

    def _request(self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]) -> httpx.Request:
        verb, path, query, body = http_call(method, request)
        raw = raw_body(method, request)
        if raw is not None:
            return self._client.build_request(verb, path, content=raw, headers=headers)
        by_header = _header_fields(method)
        asked = {field: value for field, value in query.items() if field not in by_header}
        own = {name: query[field] for field, name in by_header.items() if field in query}
        return self._client.build_request(verb, path, params=asked, json=body, headers={**headers, **own})


def _header_fields(method: MethodDescriptor) -> dict[str, str]:
    """The fields of a request that a header sets and no query does, and that header."""
    fields = method.input_type.fields
    return {each.name: name for each in fields if (name := each.GetOptions().Extensions[options_pb2.header])}


def _refusal_by(method: MethodDescriptor, body: Any, http_status: int | None) -> Refusal:
    refusal = refusal_of(body, http_status)
    return replace(refusal, fields=tuple(asked_field(method, name) for name in refusal.fields))


def refusal_of(body: Any, http_status: int | None) -> Refusal:
    """Read an error body: the threads API's (`details` is a list), the conversations API's (`details` is a map), the
    archive API's, which is a text, or one of the chat API's (a flag and a message)."""
    if "detail" in body:
        return Refusal(None, None, body["detail"], http_status=http_status, detail=body["detail"])
    if body.keys() in PLAIN_BODIES:
        return Refusal(None, None, body["message"], http_status=http_status, is_plain=True)
    error = body["error"]
    details = error["details"]
    if isinstance(details, dict):
        fields = details.pop("fields", [])
        return _refusal(error["code"], error["message"], details, fields, http_status)
    info = next(detail for detail in details if detail["@type"].endswith("ErrorInfo"))
    fields = [violation for detail in details for violation in detail.get("fieldViolations", [])]
    return _refusal(info["reason"], error["message"], info.get("metadata", {}), fields, http_status)


def _refusal(
    reason: str, message: str, metadata: dict[str, str], fields: list[dict[str, str]], http_status: int | None
) -> Refusal:
    named = tuple(each["field"] for each in fields)
    return Refusal(None, reason, message, metadata, named, http_status=http_status)


def _message(method: MethodDescriptor, identity: str, name: str, data: Any) -> Message:
    """The stream message of an event. Its data is the whole message, or only the member that the event is named for;
    every whole one has the documented time, or its cursor beside the member."""
    cursor = next(
        field.name for field in method.output_type.fields if field.GetOptions().Extensions[options_pb2.cursor]
    )
    whole = name == "heartbeat" or "createdAt" in data or {cursor, name} <= data.keys()
    return message_of(method.output_type, data if whole else {cursor: identity, name: data})


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            field, _, value = line.partition(": ")
            event[field] = value
        elif "data" in event:
            yield event.get("id", ""), event["event"], json.loads(event["data"])
            event = {}
        else:
            event = {}
