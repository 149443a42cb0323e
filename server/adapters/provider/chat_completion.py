"""The JSON body of a chat completion request."""

from typing import Any

import orjson

from server.domain.context import PromptMessage
from server.domain.message import Role, ToolCall
from server.ports.provider import CompletionRequest


def request_body(request: CompletionRequest, *, max_tokens_field: str) -> bytes:
    """UTF-8 JSON that asks for a stream with usage. What `generation` leaves open is left to the provider."""
    generation = request.generation
    body: dict[str, Any] = {
        "model": generation.model,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    chosen = {
        "temperature": generation.temperature,
        max_tokens_field: generation.max_tokens,
        "top_p": generation.top_p,
    }
    body.update((name, value) for name, value in chosen.items() if value is not None)
    return orjson.dumps(body)


def _message(message: PromptMessage) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.tool_calls:
        shown["content"] = message.content or None
        shown["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if message.role is Role.TOOL:
        shown["tool_call_id"] = message.tool_call_id
    return shown


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
