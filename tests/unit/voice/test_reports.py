"""Reports of what is spoken are neither too many nor too old."""

import asyncio
from types import SimpleNamespace

import pytest

from server.adapters.voice.bot.reports import Reports
from server.adapters.voice.bot.turns import Told
from server.adapters.voice.link import BargeIn, Spoken


class ManualLoop:
    """A loop whose only timer runs when the test says so."""

    def __init__(self) -> None:
        self.due: list[object] = []

    def call_later(self, seconds: float, act: object) -> SimpleNamespace:
        assert seconds == 0.5
        self.due.append(act)
        return SimpleNamespace(cancel=self.due.clear)

    def pass_half_a_second(self) -> None:
        due, self.due = self.due, []
        for act in due:
            assert callable(act)
            act()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> ManualLoop:
    made = ManualLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def spoken(text: str, *, done: bool = False) -> Spoken:
    return Spoken(turn=1, text=text, done=done)


def test_the_first_goes_at_once_and_the_newest_half_a_second_later(loop: ManualLoop) -> None:
    told: list[Told] = []
    reports = Reports(told.append)
    for text in ("a", "ab", "abc"):
        reports.tell(spoken(text))
    assert told == [spoken("a")]
    loop.pass_half_a_second()
    assert told == [spoken("a"), spoken("abc")]
    loop.pass_half_a_second()
    reports.tell(spoken("abcd"))
    assert told[2:] == [spoken("abcd")]


def test_the_last_of_a_turn_and_everything_else_goes_at_once(loop: ManualLoop) -> None:
    told: list[Told] = []
    reports = Reports(told.append)
    for each in (spoken("a"), spoken("ab"), BargeIn(turn=1), spoken("ab", done=True)):
        reports.tell(each)
    loop.pass_half_a_second()
    assert told == [spoken("a"), BargeIn(turn=1), spoken("ab", done=True)]


def test_nothing_goes_once_it_is_closed(loop: ManualLoop) -> None:
    told: list[Told] = []
    reports = Reports(told.append)
    reports.tell(spoken("a"))
    reports.tell(spoken("ab"))
    reports.close()
    loop.pass_half_a_second()
    assert told == [spoken("a")]
