"""What of a prompt one model is shown: the parts that belong to a provider go back to that provider alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from server.domain.context import PromptMessage
from server.domain.message import ToolCall
from server.domain.origin import Origin


def addressed(messages: Sequence[PromptMessage], target: Origin) -> tuple[PromptMessage, ...]:
    """The messages as `target` may see them, every tool call under one id that its result bears, too.

    That id is the one that the provider gave the call, when `target` is that provider and no other call of the prompt
    goes by it; else the service's own, for a provider that never saw another's ids has no use for them, and may refuse
    their form. `provider_parts` stay only where provider and model are those of `target`: a signature is worth nothing
    to another model, and may get its request refused.
    """
    ids = _ids(messages, target)
    return tuple(_shown(message, target, ids) for message in messages)


def _ids(messages: Iterable[PromptMessage], target: Origin) -> dict[str, str]:
    """The id of every call that does not go by the service's own."""
    own = [call.id for message in messages for call in message.tool_calls]
    given = {
        call.id: call.provider_id
        for message in messages
        if message.origin is not None and message.origin.provider == target.provider
        for call in message.tool_calls
        if call.provider_id
    }
    # Some servers count from 0 in every answer, and some call every call by the name of its tool.
    uses = Counter([*own, *given.values()])
    return {call_id: provider_id for call_id, provider_id in given.items() if uses[provider_id] == 1}


def _shown(message: PromptMessage, target: Origin, ids: dict[str, str]) -> PromptMessage:
    if not message.tool_calls and message.tool_call_id is None and message.provider_parts is None:
        return message
    return replace(
        message,
        tool_calls=tuple(ToolCall(ids.get(call.id, call.id), call.name, call.arguments) for call in message.tool_calls),
        tool_call_id=None if message.tool_call_id is None else ids.get(message.tool_call_id, message.tool_call_id),
        provider_parts=message.provider_parts if message.origin == target else None,
    )
