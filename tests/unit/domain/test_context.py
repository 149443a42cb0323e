"""What of a history a model request carries."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from server.domain.context import prompt
from server.domain.conversation import ContextManagement, Settings
from server.domain.ids import ConversationId, MessageId
from server.domain.message import Message, MessageStatus, Role, ToolCall

NOW = datetime.now(UTC)


def message(role: Role, content: str, **more: object) -> Message:
    return Message(MessageId(content), ConversationId("c"), role, content, NOW, **more)  # type: ignore[arg-type]


turns = st.lists(st.sampled_from([Role.USER, Role.ASSISTANT]), max_size=30).map(
    lambda roles: [message(role, f"{role}{place}") for place, role in enumerate(roles)]
)


@given(history=turns, size=st.integers(1, 40), system=st.none() | st.just("Be kind."))
def test_a_prompt_is_the_system_prompt_and_the_newest_messages_in_order(
    history: list[Message], size: int, system: str | None
) -> None:
    shown = prompt(history, Settings(system_prompt=system), ContextManagement(max_history_messages=size))
    head = ["Be kind."] if system else []
    assert [part.content for part in shown] == head + [part.content for part in history[-size:]]
    assert all(part.role is Role.SYSTEM for part in shown[: len(head)])


def test_a_window_never_begins_with_a_result_whose_call_it_cut_off() -> None:
    history = [
        message(Role.USER, "what time is it"),
        message(Role.ASSISTANT, "", tool_calls=(ToolCall("1", "time", "{}"),)),
        message(Role.TOOL, "noon", tool_call_id="1"),
        message(Role.ASSISTANT, "It is noon."),
    ]
    shown = prompt(history, Settings(), ContextManagement(max_history_messages=2))
    assert [part.content for part in shown] == ["It is noon."]


def test_an_answer_that_never_said_anything_is_left_out() -> None:
    history = [message(Role.USER, "hello"), message(Role.ASSISTANT, "", status=MessageStatus.FAILED)]
    shown = prompt(history, Settings(), ContextManagement())
    assert [part.content for part in shown] == ["hello"]
