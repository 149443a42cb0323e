"""The JSON body of a chat completion request."""

import re
from typing import Any, Final

import orjson

from server.adapters.provider.content_parts import content_of
from server.adapters.provider.dialect import adapt
from server.adapters.provider.growing_call import is_object
from server.adapters.provider.provider_parts import call_fields, message_fields
from server.domain.addressed import addressed
from server.domain.context import PromptMessage
from server.domain.message import Role, ToolCall
from server.domain.origin import Origin
from server.domain.tool import ToolSpec
from server.ports.provider import CompletionRequest

# What every provider takes for the name of a tool. A model may have made up another, and the request that tells it so
# must not be refused for it.
_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 64


def request_body(request: CompletionRequest, *, provider: str, base_url: str, max_tokens_field: str) -> bytes:
    """UTF-8 JSON that asks for a stream with usage. What `generation` leaves open is left to the provider.

    `provider` is the name of the one that it goes to: only its own ids are in it, see `addressed`. `base_url` tells
    what it demands besides, see `dialect`.
    """
    generation = request.generation
    model = generation.model or ""
    messages = [_message(message) for message in addressed(request.messages, Origin(provider, model))]
    adapt(messages, base_url=base_url, model=model)
    body: dict[str, Any] = {
        "model": generation.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    chosen = {
        "temperature": generation.temperature,
        max_tokens_field: generation.max_tokens,
        "top_p": generation.top_p,
    }
    body.update((name, value) for name, value in chosen.items() if value is not None)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if not request.may_call:
            body["tool_choice"] = "none"
    return orjson.dumps(body)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": orjson.Fragment(tool.input_schema.encode()),
    }
    return {"type": "function", "function": function}


def _message(message: PromptMessage) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role.value, "content": content_of(message)}
    if message.tool_calls:
        shown["content"] = message.content or None
        fields = call_fields(message.provider_parts, message.tool_calls)
        shown["tool_calls"] = [_tool_call(call) | own for call, own in zip(message.tool_calls, fields, strict=True)]
    if message.provider_parts:
        shown.update(message_fields(message.provider_parts))
    if message.role is Role.TOOL:
        shown["tool_call_id"] = message.tool_call_id
    return shown


def _tool_call(call: ToolCall) -> dict[str, Any]:
    """A call as the protocol has it. Many servers parse the arguments of a history and fail where they are no object:
    those that were none are left out, which the call's result speaks of."""
    name = _NOT_IN_A_NAME.sub("_", call.name)[:_LONGEST_NAME] or "_"
    arguments = call.arguments if is_object(call.arguments) else "{}"
    return {"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments}}
