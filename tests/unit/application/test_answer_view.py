"""What is shown of a run: pieces that, joined, are the answer, whatever attempts there were."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.application.answer_view import (
    AGAIN,
    CALLING,
    PAUSED,
    THINKING,
    WAITING,
    WORKING,
    AnswerPiece,
    AnswerView,
    Shown,
    Titled,
    WholeAnswer,
)
from server.domain.errors import AnswerRestarted
from server.domain.events import (
    AttemptReset,
    ConversationNamed,
    Event,
    MessageCompleted,
    MessageStarted,
    Payload,
    ReasoningDelta,
    RunEnded,
    RunPaused,
    RunQueued,
    RunStarted,
    TextDelta,
    ToolCallStarted,
)
from server.domain.ids import ConversationId, MessageId, RunId, ToolCallId
from server.domain.message import Message, Role, ToolCall
from server.domain.run import RunState

RUN = RunId("run_1")
ONE = MessageId("m")
ASKED = Message(MessageId("q"), ConversationId("c"), Role.USER, "Hi", datetime.now(UTC))
DONE = RunEnded(RunState.COMPLETED)


def shown(*payloads: Payload, attempt: int = 1) -> list[Shown]:
    """All that a view shows of a run's events; each `AttemptReset` begins the next epoch."""
    view, epoch, found = AnswerView(RUN, attempt=attempt), 1, list[Shown]()
    for sequence, payload in enumerate(payloads, 1):
        epoch = payload.attempt if isinstance(payload, AttemptReset) else epoch
        event = Event(ConversationId("c"), "c", sequence, datetime.now(UTC), payload, RUN, epoch)
        found.extend(view.take(event))
    return found


def said(*texts: str) -> list[Payload]:
    """An attempt that says these."""
    return [MessageStarted(ONE, Role.ASSISTANT, "m"), *(TextDelta(ONE, text) for text in texts)]


def answered(found: list[Shown]) -> tuple[str, str]:
    """All pieces joined, and the whole answer."""
    pieces = "".join(each.text for each in found if isinstance(each, AnswerPiece))
    (whole,) = [each.text for each in found if isinstance(each, WholeAnswer)]
    assert isinstance(found[-1], WholeAnswer)
    return pieces, whole


def test_an_answer_is_its_pieces() -> None:
    found = shown(RunQueued(ASKED), RunStarted(ASKED, "m"), *said("Hel", "lo"), DONE)
    assert found == [WAITING, WORKING, AnswerPiece("Hel"), AnswerPiece("lo"), WholeAnswer("Hello")]


ASKING = replace(ASKED, id=ONE, role=Role.ASSISTANT, content="Let me see.", tool_calls=(ToolCall("c", "look", "{}"),))
USED: list[Payload] = [MessageCompleted(ASKING), ToolCallStarted(ToolCallId("c"))]


def test_what_is_said_before_a_tool_is_called_is_shown_and_no_part_of_the_answer() -> None:
    found = shown(*said("Let me see."), *USED, *said("It is", " dark."), DONE)
    assert found == [
        *(WORKING, AnswerPiece("Let me see."), CALLING),
        *(WORKING, AnswerPiece("It is"), AnswerPiece(" dark."), WholeAnswer("It is dark.")),
    ]


def test_another_attempt_behind_a_tool_need_not_repeat_what_was_said_before_it() -> None:
    found = shown(*said("Let me see."), *USED, *said("It "), AttemptReset(2), *said("It is"), DONE)
    assert answered(found) == ("Let me see.It is", "It is")


def test_another_attempt_that_has_tools_called_repeats_what_was_shown_first() -> None:
    found = shown(*said("Let me"), AttemptReset(2), *said("Let me see."), *USED, *said("Dark"), DONE)
    assert answered(found) == ("Let me see.Dark", "Dark")
    with pytest.raises(AnswerRestarted):
        shown(*said("Let me see. I"), AttemptReset(2), *said("Let me see."), *USED)


def test_a_pause_is_told() -> None:
    assert PAUSED in shown(*said("Let me see."), *USED, RunPaused(RunState.AWAITING_APPROVAL))


def test_an_answer_may_be_empty() -> None:
    assert shown(*said(), DONE) == [WORKING, WholeAnswer("")]


def test_thinking_is_told_once_and_never_shown() -> None:
    found = shown(*said(), ReasoningDelta(ONE, "Hm"), ReasoningDelta(ONE, "m."), TextDelta(ONE, "Yes"), DONE)
    assert found == [WORKING, THINKING, AnswerPiece("Yes"), WholeAnswer("Yes")]


def test_a_title_comes_where_it_stands() -> None:
    found = shown(*said("Hel"), ConversationNamed("Greeting"), TextDelta(ONE, "lo"), DONE)
    assert found[2] == Titled("Greeting")


def test_a_title_never_comes_first() -> None:
    found = shown(RunStarted(ASKED, "m"), ConversationNamed("Greeting"), *said("Hello"), DONE)
    assert found == [Titled("Greeting"), WORKING, AnswerPiece("Hello"), WholeAnswer("Hello")]
    waited = shown(RunQueued(ASKED), ConversationNamed("Greeting"), RunStarted(ASKED, "m"))
    assert waited == [WAITING, Titled("Greeting")]
    failed = RunEnded(RunState.FAILED, "PROVIDER_TIMEOUT", "slow")
    assert shown(RunStarted(ASKED, "m"), ConversationNamed("Greeting"), failed) == []


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED])
def test_an_answer_that_does_not_complete_is_never_whole(state: RunState) -> None:
    assert shown(*said("Hel"), RunEnded(state)) == [WORKING, AnswerPiece("Hel")]


def test_a_second_attempt_that_says_the_same_goes_on_where_the_first_stood() -> None:
    found = shown(*said("Hello th"), AttemptReset(2), *said("Hel", "lo there", "!"), DONE)
    assert [each for each in found if isinstance(each, AnswerPiece)] == [
        AnswerPiece("Hello th"),
        AnswerPiece("ere"),
        AnswerPiece("!"),
    ]
    assert AGAIN in found
    assert answered(found) == ("Hello there!", "Hello there!")


def test_a_second_attempt_that_says_something_else_cannot_be_shown() -> None:
    with pytest.raises(AnswerRestarted):
        shown(*said("Hello"), AttemptReset(2), *said("Good"))


def test_a_second_attempt_that_says_less_cannot_be_shown() -> None:
    with pytest.raises(AnswerRestarted):
        shown(*said("Hello there"), AttemptReset(2), *said("Hello"), DONE)


def test_an_attempt_that_showed_nothing_holds_nothing_back() -> None:
    found = shown(*said(), AttemptReset(2), *said("Good"), DONE)
    assert answered(found) == ("Good", "Good")


def test_a_view_from_the_second_attempt_on_never_knew_the_first() -> None:
    found = shown(*said("Hello"), AttemptReset(2), *said("Good"), DONE, attempt=2)
    assert answered(found) == ("Good", "Good")


@given(st.lists(st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=4), min_size=1, max_size=4))
def test_pieces_joined_are_always_the_answer_of_the_last_attempt(attempts: list[list[str]]) -> None:
    payloads = said(*attempts[0])
    for number, texts in enumerate(attempts[1:], 2):
        payloads += [AttemptReset(number), *said(*texts)]
    try:
        found = shown(*payloads, DONE)
    except AnswerRestarted:
        texts = ["".join(each) for each in attempts]
        assert any(not later.startswith(earlier) for earlier in texts for later in texts)
    else:
        last = "".join(attempts[-1])
        assert answered(found) == (last, last)
