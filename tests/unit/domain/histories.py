"""Histories for tests of what a model request carries: any mix of turns, tool calls, gaps and silence."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from server.domain.ids import ConversationId, FileId, MessageId
from server.domain.message import GeneratedImage, Message, Role, ToolCall

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def message(role: Role, content: str, **more: Any) -> Message:
    """A message of no particular place."""
    return Message(MessageId(content), ConversationId("c"), role, content, NOW, **more)


def placed(messages: Sequence[Message]) -> list[Message]:
    """The messages as a history: positions from 1, ids of their own, unique call ids."""
    return [
        Message(
            MessageId(f"m{place}"),
            each.conversation_id,
            each.role,
            each.content,
            NOW,
            position=place,
            tool_calls=each.tool_calls,
            tool_call_id=each.tool_call_id,
            image=each.image,
        )
        for place, each in enumerate(messages, 1)
    ]


texts = st.one_of(st.text(max_size=30), st.just(""), st.integers(1, 4000).map("word ".__mul__), st.just("早上好" * 50))


@st.composite
def rounds(draw: st.DrawFn, number: int) -> list[Message]:
    """An assistant's message with calls, and results of some of them: missing, doubled, foreign or in any order."""
    ids = [f"call_{number}_{place}" for place in range(draw(st.integers(1, 4)))]
    calls = tuple(ToolCall(each, "tool", draw(st.sampled_from(["{}", '{"a": 1}', "broken"]))) for each in ids)
    answered = draw(st.lists(st.sampled_from([*ids, "call_of_nobody"]), max_size=6))
    results = [message(Role.TOOL, draw(texts), tool_call_id=each) for each in answered]
    silent = draw(st.booleans())
    return [message(Role.ASSISTANT, draw(texts), tool_calls=calls), *([message(Role.ASSISTANT, "")] * silent), *results]


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """Any history, valid for a provider or not."""
    found: list[Message] = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["user", "user", "assistant", "round", "image", "orphan", "system"]))
        if kind == "round":
            found += draw(rounds(number))
        elif kind == "image":
            image = GeneratedImage("painter", draw(texts), FileId("f"))
            found.append(message(Role.ASSISTANT, "", image=image))
        elif kind == "orphan":
            found.append(message(Role.TOOL, draw(texts), tool_call_id=f"call_{number - 1}_0"))
        else:
            found.append(message(Role(kind), draw(texts)))
    return placed(found)
