"""What readers are told of an answer who can take back what they were shown: after every fault, what counts."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from server.application.answer_story import AnswerStory, Begun, Said, Thought, Told
from server.domain.events import (
    AttemptReset,
    Event,
    MessageCompleted,
    MessageStarted,
    Payload,
    ReasoningDelta,
    TextDelta,
)
from server.domain.ids import ConversationId, MessageId, RunId
from server.domain.message import Message, Role

TALK = ConversationId("c")


def log(*payloads: Payload) -> list[Event]:
    """The events of one run."""
    return [
        Event(TALK, "c", sequence, datetime.now(UTC), payload, RunId("run_1"), 1)
        for sequence, payload in enumerate(payloads, 1)
    ]


def told(*payloads: Payload) -> list[Told]:
    """All that is told of them."""
    story = AnswerStory()
    return [each for event in log(*payloads) for each in story.take(event)]


def begun(identity: str, *pieces: str) -> list[Payload]:
    """A message that says these; what begins with `?` it thinks."""
    name = MessageId(identity)
    deltas = [ReasoningDelta(name, piece) if piece[0] == "?" else TextDelta(name, piece) for piece in pieces]
    return [MessageStarted(name, Role.ASSISTANT, "m"), *deltas]


def whole(identity: str, *pieces: str) -> list[Payload]:
    """The same, to its end, and then the result of a tool."""
    said = "".join(piece for piece in pieces if piece[0] != "?")
    message = Message(MessageId(identity), TALK, Role.ASSISTANT, said, datetime.now(UTC))
    result = Message(MessageId(f"result of {identity}"), TALK, Role.TOOL, "secret", datetime.now(UTC))
    return [*begun(identity, *pieces), MessageCompleted(message), MessageCompleted(result)]


def read(parts: list[Told]) -> tuple[str, str]:
    """Thoughts and text that a reader has in the end who drops everything where an answer begins."""
    thoughts, text = "", ""
    for each in parts:
        match each.part:
            case Begun():
                thoughts = text = ""
            case Thought(piece):
                thoughts += piece
            case Said(piece):
                text += piece
    return thoughts, text


def test_an_answer_is_begun_once_whatever_rounds_it_takes() -> None:
    parts = [each.part for each in told(*whole("1", "Let me ", "look."), *whole("2"), *begun("3", "?Hm", "Done."))]
    assert parts == [Begun(MessageId("1")), Said("Let me "), Said("look."), Thought("?Hm"), Said("Done.")]


def test_a_fault_in_a_later_round_leaves_the_earlier_ones() -> None:
    parts = told(*whole("1", "?Hm", "One."), *begun("2", "Tw"), AttemptReset(2), *begun("3", "Two."))
    assert [each.part for each in parts[-4:]] == [Begun(MessageId("3")), Thought("?Hm"), Said("One."), Said("Two.")]
    assert read(parts) == ("?Hm", "One.Two.")


def test_a_fault_between_two_messages_begins_nothing_again() -> None:
    parts = told(*whole("1", "One."), AttemptReset(2), *begun("2", "Two."))
    assert [each.part for each in parts] == [Begun(MessageId("1")), Said("One."), Said("Two.")]


piece = st.sampled_from(["a", "b", "?a", "?b"])


@given(st.data())
def test_a_reader_has_what_counts_wherever_it_was_cut(data: st.DataObject) -> None:
    payloads, thoughts, text = list[Payload](), "", ""
    for number in range(data.draw(st.integers(1, 4), label="rounds")):
        for attempt in range(data.draw(st.integers(0, 2), label="faults")):
            void = data.draw(st.lists(piece, max_size=3), label="void")
            payloads += [*(begun(f"{number} {attempt}", *void) if void else []), AttemptReset(attempt + 2)]
        pieces = data.draw(st.lists(piece, max_size=3), label="message")
        payloads += whole(f"{number}", *pieces)
        thoughts += "".join(each for each in pieces if each[0] == "?")
        text += "".join(each for each in pieces if each[0] != "?")
    parts = told(*payloads)
    assert read(parts) == (thoughts, text)
    cut = data.draw(st.integers(0, len(parts)), label="cut")
    seen = parts[:cut]
    place = seen[-1].sequence if seen else 0
    # Like a server that is asked to go on: it tells all again and leaves out what stands up to the place.
    story = AnswerStory()
    rest = [each for event in log(*payloads) for each in story.take(event) if event.sequence > place]
    assert read([*seen, *rest]) == (thoughts, text)
