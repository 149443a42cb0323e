"""A session ends for one reason, the room is left then, and every turn's last report has come before."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from server.adapters.voice.link import Failed, Leave, Left, Piece, Spoken, encode

if TYPE_CHECKING:
    from tests.voice_bot.stage import Stage

OnStage = Callable[..., AbstractAsyncContextManager["Stage"]]
_SOON = timedelta(milliseconds=50)
_LATE = timedelta(minutes=5)


async def in_the_middle_of_an_answer(on: "Stage") -> None:
    """An answer of which one sentence has been spoken, and another is under way."""
    await on.user_says("Count.")
    on.room.play_only(3840)
    on.server.send(Piece(turn=1, text="This is one. This is two. This is"))
    assert (await on.server.until(Spoken)).text == "This is one."


@pytest.mark.parametrize("last", [encode(Leave()), None], ids=["told to leave", "the link closed"])
async def test_the_bot_leaves_when_the_server_wants_or_is_gone(stage: OnStage, last: bytes | None) -> None:
    async with stage() as on:
        await in_the_middle_of_an_answer(on)
        if last is None:
            on.server.hang_up()
        else:
            on.server.write(last)
        assert await on.outcome() == Left(reason="LEAVE")
        assert on.room.is_left
        assert await on.server.done(1) == "This is one."


async def test_a_line_that_broke_off_with_the_server_is_not_obeyed(stage: OnStage) -> None:
    async with stage() as on:
        on.server.write(encode(Piece(turn=1, text="half"))[:-9])
        on.server.hang_up()
        assert await on.outcome() == Left(reason="LEAVE")


async def test_the_bot_leaves_when_the_session_expires(stage: OnStage) -> None:
    async with stage(seconds=-60, lets_in=False) as on:
        assert await on.outcome() == Left(reason="EXPIRED")


@pytest.mark.parametrize("line", [b"hello\n", b'{"type":"joined"}\n', b"x" * (1 << 21) + b"\n"])
async def test_whatever_is_no_message_ends_the_session(stage: OnStage, line: bytes) -> None:
    async with stage() as on:
        on.server.write(line)
        assert await on.outcome() == Failed(reason="BAD_START", message="a line of the link is no message")


async def test_nobody_comes(stage: OnStage) -> None:
    from server.adapters.voice.bot.presence import Patience

    async with stage(patience=Patience(first=_SOON, again=_LATE), is_empty=True) as on:
        assert await on.outcome() == Left(reason="EMPTY")
        assert on.room.is_left


async def test_everybody_goes(stage: OnStage) -> None:
    from server.adapters.voice.bot.presence import Patience

    async with stage(patience=Patience(first=_LATE, again=_SOON)) as on:
        on.room.events.arrived("another")
        on.room.events.gone("user")
        on.room.events.gone("user")
        assert await on.user_says("I am still here.")
        on.room.events.gone("another")
        assert await on.outcome() == Left(reason="EMPTY")


async def test_the_bot_is_put_out(stage: OnStage) -> None:
    async with stage() as on:
        on.room.events.removed()
        assert await on.outcome() == Left(reason="REMOVED")


async def test_the_room_does_not_let_it_in(stage: OnStage) -> None:
    async with stage(lets_in=False) as on:
        await on.opened()
        on.room.events.not_joined("it is locked")
        assert await on.outcome() == Failed(reason="JOIN_FAILED", message="it is locked")


async def test_the_room_is_silent(stage: OnStage) -> None:
    from server.adapters.voice.bot.presence import Patience

    async with stage(lets_in=False, patience=Patience(joining=_SOON)) as on:
        assert await on.outcome() == Failed(reason="JOIN_FAILED", message="the room cannot be reached")


async def test_a_pipeline_that_ends_by_itself_ends_the_session(stage: OnStage) -> None:
    async with stage() as on:
        await on.room.break_down()
        assert await on.outcome() == Failed(reason="SPEECH_FAILED", message="the audio pipeline has ended")
