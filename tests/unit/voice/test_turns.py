"""The promises of turns, whatever happens in whatever order: `spoken` is a beginning of what was written, it grows, and
every turn that was heard is done exactly once."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.adapters.voice.bot.turns import MOST_CHARACTERS, MOST_HEARD, Told, Turns, advanced
from server.adapters.voice.link import BargeIn, Heard, Spoken

TEXT = "One two, three.\n\n Four five. "
_PIECES = st.sampled_from(["One ", "two, three.", "\n\n Four five. ", "", " ", "é"])
_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("hear")),
        st.tuples(st.just("write"), st.integers(1, 4), _PIECES),
        st.tuples(st.just("speak"), st.integers(1, 4), _PIECES),
        st.tuples(st.sampled_from(["wait", "hush", "finish"]), st.integers(1, 4)),
        st.tuples(st.sampled_from(["interrupt", "silence", "close"])),
    ),
    max_size=40,
)


def told_of(*acts: tuple[Any, ...]) -> list[Told]:
    """What is told when all that happens."""
    told: list[Told] = []
    turns = Turns(told.append)
    for name, *values in acts:
        getattr(turns, name)(*(["hello"] if name == "hear" else values))
    return told


@given(_ACTS)
def test_what_is_promised_holds_whatever_happens(acts: list[tuple[Any, ...]]) -> None:
    told: list[Told] = []
    turns = Turns(told.append)
    written = dict.fromkeys(range(1, 50), "")
    for name, *values in acts:
        result = getattr(turns, name)(*(["hello"] if name == "hear" else values))
        if name == "write":
            written[int(values[0])] += result
    turns.close()

    heard = [each.turn for each in told if isinstance(each, Heard)]
    assert heard == list(range(1, len(heard) + 1))
    for turn in heard:
        reports = [each for each in told if isinstance(each, Spoken) and each.turn == turn]
        assert [each.done for each in reports] == [False] * (len(reports) - 1) + [True]
        assert all(written[turn].startswith(each.text) for each in reports)
        assert all(later.text.startswith(earlier.text) for earlier, later in pairwise(reports))
        # Nothing is told of a turn behind its end, and one turn ends before the next is heard.
        assert told.index(reports[-1]) < (told.index(Heard(turn=turn + 1, text="hello")) if turn < len(heard) else 99)
        assert sum(each == BargeIn(turn=turn) for each in told) <= 1


def test_a_whole_turn() -> None:
    assert told_of(("hear",), ("write", 1, TEXT), ("speak", 1, "One two, three."), ("speak", 1, "Four five."))[1:] == [
        Spoken(turn=1, text="One two, three.", done=False),
        Spoken(turn=1, text="One two, three.\n\n Four five.", done=False),
    ]


def test_who_interrupts_is_told_before_the_answer_is_done() -> None:
    assert told_of(("hear",), ("write", 1, TEXT), ("interrupt",), ("interrupt",), ("silence",), ("silence",))[1:] == [
        BargeIn(turn=1),
        Spoken(turn=1, text="", done=True),
    ]


def test_what_was_heard_between_the_interruption_and_the_silence_counts() -> None:
    *_, last = told_of(("hear",), ("write", 1, TEXT), ("interrupt",), ("speak", 1, "One two"), ("silence",))
    assert last == Spoken(turn=1, text="One two", done=True)


def test_a_run_that_waits_is_interrupted_only_while_something_of_it_is_spoken() -> None:
    waiting = ("hear",), ("write", 1, "One."), ("wait", 1)
    assert BargeIn(turn=1) in told_of(*waiting, ("interrupt",))
    assert BargeIn(turn=1) not in told_of(*waiting, ("speak", 1, "One."), ("interrupt",))
    assert BargeIn(turn=1) in told_of(*waiting, ("speak", 1, "One."), ("write", 1, " Two."), ("interrupt",))


def test_nothing_of_a_turn_that_is_past_is_taken() -> None:
    turns = Turns(lambda _: None)
    assert turns.write(1, "too early") == ""
    turns.hear("hello")
    assert turns.write(1, "in time") == "in time"
    turns.hear("hello again")
    assert turns.write(1, "too late") == ""
    assert not turns.takes(1)
    assert not turns.takes_notice(1)
    turns.finish(2)
    assert turns.write(2, "too late") == ""
    assert turns.takes_notice(2)


def test_neither_answers_nor_what_was_heard_grow_for_ever() -> None:
    told: list[Told] = []
    turns = Turns(told.append)
    turns.hear("h" * (MOST_HEARD + 1))
    assert told == [Heard(turn=1, text="h" * MOST_HEARD)]
    assert sum(len(turns.write(1, "a" * 1000)) for _ in range(1000)) == MOST_CHARACTERS


@given(st.text(" ab.\n", max_size=30), st.integers(0, 30))
def test_words_are_found_where_they_follow(text: str, count: int) -> None:
    words = " ".join(text.split()[:count])
    end = advanced(text, 0, words)
    assert "".join(text[:end].split()) == "".join(words.split())
    assert not text[:end].endswith((" ", "\n"))


def test_what_differs_is_claimed_up_to_the_difference() -> None:
    text = "One two three."
    assert text[: advanced(text, 0, "One two four.")] == "One two"
    assert text[: advanced(text, 0, text + " More.")] == text
