"""What is shown of a run: pieces that, joined, are the answer, whatever attempts there were."""

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
    RunResumed,
    RunStarted,
    TextDelta,
    ToolCallStarted,
)
from server.domain.ids import ConversationId, MessageId, RunId, ToolCallId
from server.domain.message import Message, Role
from server.domain.run import RunState

RUN = RunId("run_1")
ONE = MessageId("m")
ASKED = Message(MessageId("q"), ConversationId("c"), Role.USER, "Hi", datetime.now(UTC))
DONE = RunEnded(RunState.COMPLETED)


def shown(*payloads: Payload, attempt: int = 1) -> list[Shown]:
    """All that a view shows of a run's events; each `AttemptReset` and each `RunResumed` begins the next epoch."""
    view, found = AnswerView(RUN, attempt=attempt), list[Shown]()
    for event in log(*payloads):
        found.extend(view.take(event))
    return found


def log(*payloads: Payload) -> list[Event]:
    """The events of one run."""
    epoch, events = 1, list[Event]()
    for sequence, payload in enumerate(payloads, 1):
        epoch += isinstance(payload, AttemptReset | RunResumed)
        events.append(Event(ConversationId("c"), "c", sequence, datetime.now(UTC), payload, RUN, epoch))
    return events


def said(*texts: str) -> list[Payload]:
    """An attempt that says these."""
    return [MessageStarted(ONE, Role.ASSISTANT, "m"), *(TextDelta(ONE, text) for text in texts)]


def whole(*texts: str) -> list[Payload]:
    """A message that says these to its end."""
    told = Message(ONE, ConversationId("c"), Role.ASSISTANT, "".join(texts), datetime.now(UTC))
    return [*said(*texts), MessageCompleted(told)]


def result() -> Payload:
    """What a tool returned."""
    return MessageCompleted(Message(MessageId("t"), ConversationId("c"), Role.TOOL, "secret", datetime.now(UTC)))


def answered(found: list[Shown]) -> tuple[str, str]:
    """All pieces joined, and the whole answer."""
    pieces = "".join(each.text for each in found if isinstance(each, AnswerPiece))
    (whole,) = [each.text for each in found if isinstance(each, WholeAnswer)]
    assert isinstance(found[-1], WholeAnswer)
    return pieces, whole


def test_an_answer_is_its_pieces() -> None:
    found = shown(RunQueued(ASKED), RunStarted(ASKED, "m"), *said("Hel", "lo"), DONE)
    assert found == [WAITING, WORKING, AnswerPiece("Hel"), AnswerPiece("lo"), WholeAnswer("Hello")]


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


def test_the_answer_is_the_text_of_all_rounds_and_of_no_tool() -> None:
    found = shown(*whole("Let me ", "look."), result(), *whole(), result(), *whole("Done."), DONE)
    pieces = [each.text for each in found if isinstance(each, AnswerPiece)]
    assert pieces == ["Let me ", "look.", "Done."]
    assert answered(found) == ("Let me look.Done.", "Let me look.Done.")


def test_a_fault_voids_only_the_message_that_was_open() -> None:
    found = shown(*whole("One."), result(), *said("Tw"), AttemptReset(2), *whole("Two", "."), DONE)
    pieces = [each.text for each in found if isinstance(each, AnswerPiece)]
    assert pieces == ["One.", "Tw", "o", "."]
    assert answered(found) == ("One.Two.", "One.Two.")


def test_a_fault_between_two_messages_voids_nothing() -> None:
    found = shown(*whole("One."), AttemptReset(2), result(), *whole("One too."), DONE)
    assert answered(found) == ("One.One too.", "One.One too.")


def test_a_fault_while_what_was_shown_is_repeated_leaves_all_of_it_to_repeat() -> None:
    found = shown(*said("Hello"), AttemptReset(2), *said("Hel"), AttemptReset(3), *whole("Hello!"), DONE)
    assert answered(found) == ("Hello!", "Hello!")


def test_what_was_shown_may_be_repeated_over_several_messages() -> None:
    found = shown(*said("Look: one"), AttemptReset(2), *whole("Look: "), result(), *whole("one two"), DONE)
    assert answered(found) == ("Look: one two", "Look: one two")


def test_a_view_that_begins_later_shows_what_earlier_attempts_have_completed() -> None:
    paused = RunPaused(RunState.AWAITING_APPROVAL)
    events = [*whole("One."), paused, RunResumed(), *said("Tw"), AttemptReset(3), *whole("Three."), DONE]
    assert answered(shown(*events, attempt=3)) == ("One.Three.", "One.Three.")


def test_who_waits_is_told_for_what() -> None:
    calling = ToolCallStarted(ToolCallId("c"))
    found = shown(*whole(), RunPaused(RunState.AWAITING_APPROVAL), RunResumed(), calling, *whole("Yes"), DONE)
    assert found[:3] == [WORKING, PAUSED, CALLING]


texts = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=3)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Payload], str]:
    """The events of a run whose rounds may each be begun several times and wait before the next, and its texts."""
    payloads, completed, attempt = list[Payload](), "", 1
    rounds = draw(st.integers(1, 4))
    for number in range(rounds):
        message = draw(texts)
        for _ in range(draw(st.integers(0, 2))):
            attempt += 1
            cut = draw(st.integers(0, len("".join(message))))
            said_before = "".join(message)[:cut]
            payloads += [*(said(said_before) if said_before else []), AttemptReset(attempt)]
        payloads += whole(*message)
        completed += "".join(message)
        if number < rounds - 1:
            payloads += draw(st.sampled_from([[result()], [RunPaused(RunState.AWAITING_APPROVAL), RunResumed()], []]))
            attempt += isinstance(payloads[-1], RunResumed)
    return [*payloads, DONE], completed


@given(runs(), st.integers(1, 6))
def test_pieces_joined_are_the_texts_of_all_rounds_once(run: tuple[list[Payload], str], first: int) -> None:
    payloads, completed = run
    assert answered(shown(*payloads, attempt=first)) == (completed, completed)


@given(runs(), st.integers(0, 30))
def test_a_view_that_goes_on_somewhere_shows_the_rest(run: tuple[list[Payload], str], place: int) -> None:
    payloads, completed = run
    views = AnswerView(RUN, attempt=1), AnswerView(RUN, attempt=1)
    before = [each for event in log(*payloads) for each in views[0].take(event) if event.sequence <= place]
    behind = [each for event in log(*payloads) for each in views[1].take(event) if event.sequence > place]
    assert "".join(each.text for each in before + behind if isinstance(each, AnswerPiece)) == completed


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
