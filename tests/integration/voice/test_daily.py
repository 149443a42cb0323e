"""Rooms at Daily: what is asked for, and what becomes of every way in which the answer can fail to come."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from server.adapters.voice.configuration import DailyConfig
from server.adapters.voice.daily import DailyRooms
from server.domain.voice_errors import VoiceServiceRefused, VoiceServiceUnavailable
from server.ports.voice import Guest
from tests.support.set_clock import SetClock
from tests.support.voice.daily import KEY, Fault, StandInDaily

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
ANNA = Guest("0" * 36, "anna")
_AWAY = Fault(status=503, body=b"<html>")


class Hurried(SetClock):
    """A clock whose waits are over at once, and that remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Only remember."""
        self.waits.append(seconds)


@pytest.fixture
def clock() -> Hurried:
    """What waits are measured by."""
    return Hurried()


@pytest.fixture
async def daily() -> AsyncIterator[StandInDaily]:
    """Daily."""
    async with StandInDaily() as opened:
        yield opened


@pytest.fixture
async def rooms(daily: StandInDaily, clock: Hurried) -> AsyncIterator[DailyRooms]:
    """Its rooms."""
    async with aclosing(DailyRooms(DailyConfig(daily.url, KEY), clock=clock, random=lambda: 0.0)) as opened:
        yield opened


async def test_a_room_is_made_opened_and_closed(daily: StandInDaily, rooms: DailyRooms) -> None:
    assert await rooms.open("one", until=UNTIL) == "https://example.daily.co/one"
    token = await rooms.admit("one", ANNA, until=UNTIL)
    assert daily.permits(token)["room_name"] == "one"
    await rooms.close("one")
    assert daily.rooms == {}
    await rooms.close("one")


@pytest.mark.parametrize("fault", [_AWAY, Fault(hangs_up=True), Fault(status=429)])
@pytest.mark.parametrize("is_carried_out", [False, True])
async def test_what_passes_is_asked_again(
    daily: StandInDaily, rooms: DailyRooms, fault: Fault, *, is_carried_out: bool
) -> None:
    """Also when what was asked for had been done, and only the answer was lost: there is still one room."""
    lost = Fault(fault.status, fault.body, fault.headers, is_carried_out=is_carried_out, hangs_up=fault.hangs_up)
    daily.faults.append(lost)
    assert await rooms.open("one", until=UNTIL) == "https://example.daily.co/one"
    daily.faults.append(lost)
    assert await rooms.admit("one", ANNA, until=UNTIL)
    daily.faults.append(lost)
    await rooms.close("one")
    assert daily.deleted == ["one"]


async def test_what_does_not_pass_is_asked_three_times(daily: StandInDaily, rooms: DailyRooms, clock: Hurried) -> None:
    daily.faults.extend([_AWAY] * 9)
    with pytest.raises(VoiceServiceUnavailable, match="status 503"):
        await rooms.open("one", until=UNTIL)
    assert len(daily.requests) == 3
    assert clock.waits == [0.125, 0.25]


async def test_daily_says_how_long_to_wait(daily: StandInDaily, rooms: DailyRooms, clock: Hurried) -> None:
    daily.faults.append(Fault(status=429, headers={"retry-after": "2"}))
    await rooms.open("one", until=UNTIL)
    assert clock.waits == [2.0]


async def test_a_long_wait_is_the_callers(daily: StandInDaily, rooms: DailyRooms, clock: Hurried) -> None:
    daily.faults.append(Fault(status=429, headers={"retry-after": "60"}))
    with pytest.raises(VoiceServiceUnavailable) as caught:
        await rooms.open("one", until=UNTIL)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 60
    assert clock.waits == []


async def test_nobody_is_waited_for_forever(daily: StandInDaily, clock: Hurried) -> None:
    daily.faults.extend([Fault(hangs=True)] * 3)
    config = DailyConfig(daily.url, KEY)
    async with aclosing(DailyRooms(config, clock=clock, random=lambda: 0.0, request_seconds=0.05)) as rooms:
        with pytest.raises(VoiceServiceUnavailable, match="in time"):
            await rooms.open("one", until=UNTIL)


async def test_a_daily_that_is_away_is_told(daily: StandInDaily, rooms: DailyRooms) -> None:
    await daily.go_away()
    with pytest.raises(VoiceServiceUnavailable, match="could not be reached"):
        await rooms.open("one", until=UNTIL)


async def test_a_wrong_key_is_the_operators_to_mend_and_shown_to_nobody(
    daily: StandInDaily, clock: Hurried, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "wrong-key-of-the-operator"
    async with aclosing(DailyRooms(DailyConfig(daily.url, wrong), clock=clock, random=lambda: 0.0)) as rooms:
        for asked in (rooms.open("one", until=UNTIL), rooms.admit("one", ANNA, until=UNTIL), rooms.close("one")):
            with pytest.raises(VoiceServiceRefused, match="API key") as caught:
                await asked
            assert wrong not in str(caught.value)
    assert len(daily.requests) == 3
    shown = capsys.readouterr()
    assert wrong not in shown.out + shown.err


async def test_what_daily_refuses_is_not_asked_again(daily: StandInDaily, rooms: DailyRooms) -> None:
    with pytest.raises(VoiceServiceRefused, match="invalid-request-error"):
        await rooms.open("no name for a room", until=UNTIL)
    daily.faults.append(Fault(status=403, body=b'{"error": "Look: a <secret>!"}'))
    with pytest.raises(VoiceServiceRefused, match=r"status 403 \(unknown\)"):
        await rooms.admit("one", ANNA, until=UNTIL)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"url": "https://example.daily.co/other", "name": "other", "privacy": "private"}',
        b'{"url": "https://example.daily.co/one", "name": "one", "privacy": "public"}',
        b'{"url": 3, "name": "one", "privacy": "private"}',
        b'{"url": "", "name": "one", "privacy": "private"}',
        b'{"url": "javascript:alert(1)", "name": "one", "privacy": "private"}',
        b'{"name": "one", "x": "' + b"x" * 100_000 + b'"}',
    ],
    ids=lambda body: body[:30],
)
async def test_what_is_no_room_is_not_taken_for_one(daily: StandInDaily, rooms: DailyRooms, body: bytes) -> None:
    daily.faults.append(Fault(status=200, body=body))
    with pytest.raises(VoiceServiceUnavailable):
        await rooms.open("one", until=UNTIL)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"token": ""}', b'{"token": 1}'])
async def test_what_is_no_token_is_not_taken_for_one(daily: StandInDaily, rooms: DailyRooms, body: bytes) -> None:
    daily.faults.append(Fault(status=200, body=body))
    with pytest.raises(VoiceServiceUnavailable, match="token"):
        await rooms.admit("one", ANNA, until=UNTIL)
