"""A run that asks for an image: drawn, kept, shown, ended like any other."""

import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.store import open_store
from server.adapters.system import SystemClock
from server.application.runs import SendMessage
from server.application.threads import SettingsChange
from server.domain.conversation import InterruptPolicy
from server.domain.errors import FileNotFound, StoreUnavailable, UnknownModel
from server.domain.events import AttemptReset, MessageCompleted, MessageStarted, RunEnded, RunStarted
from server.domain.generation import GenerationConfig
from server.domain.ids import FileId
from server.domain.message import Message, MessageStatus, Role
from server.domain.run import RunOptions, RunState
from server.engine.file_sweep import FileSweep
from server.ports.provider import ImageRequest, ProviderError
from tests.support.house import ANNA, BERT, QUICK, House, open_house
from tests.support.images import DOT, GIF
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate

IMAGE = RunOptions(image=True)


async def messages(house: House) -> list[Message]:
    return (await house.threads.state(ANNA.owner, "talk")).messages


async def content(house: House, file_id: FileId) -> bytes:
    file = await house.files.get(ANNA.owner, file_id)
    return b"".join([piece async for piece in house.files.content(file)])


def kept(folder: Path) -> list[str]:
    """The ids of all contents."""
    return sorted(path.name for path in (folder / "files").rglob("*-*"))


async def test_an_image_is_the_answer(house: House) -> None:
    house.provider.script_image(DOT)
    run = await house.send("a dot", options=IMAGE)
    events = [event.payload for event in await house.events(run)]
    assert [type(payload) for payload in events] == [RunStarted, MessageStarted, MessageCompleted, RunEnded]
    assert house.provider.image_requests == [ImageRequest("painter", "a dot")]
    asked, drawn = await messages(house)
    assert (asked.role, asked.content, asked.image) == (Role.USER, "a dot", None)
    assert (drawn.role, drawn.content, drawn.model, drawn.status) == (
        *(Role.ASSISTANT, "", "painter", MessageStatus.COMPLETE),
    )
    assert drawn.image is not None
    assert (drawn.image.model, drawn.image.prompt) == ("painter", "a dot")
    assert await content(house, drawn.image.file_id) == DOT
    file = await house.files.get(ANNA.owner, drawn.image.file_id)
    assert (file.name, file.media_type, file.size) == ("image.png", "image/png", len(DOT))


async def test_the_conversation_remembers_both_its_models(house: House) -> None:
    made = (await house.threads.get(ANNA.owner, "talk")).conversation
    assert (made.model, made.image_model) == ("first", "painter")
    house.provider.script_image(DOT)
    await house.threads.configure_generation(ANNA, "talk", GenerationConfig(model="second"))
    await house.ended(await house.send("a dot", options=IMAGE))
    drawn = (await house.threads.get(ANNA.owner, "talk")).conversation
    assert (drawn.model, drawn.image_model) == ("second", "painter")


async def test_a_model_that_does_not_draw_is_refused_and_nothing_stored(house: House) -> None:
    command = SendMessage("talk", "a dot", generation=GenerationConfig(model="second"), options=IMAGE)
    with pytest.raises(UnknownModel):
        await house.runs.send(ANNA, command)
    assert await messages(house) == []


async def test_a_model_that_writes_is_told_of_the_image(house: House) -> None:
    house.provider.script_image(GIF)
    house.provider.script("nice, is it not")
    await house.ended(await house.send("a dot", options=IMAGE))
    await house.ended(await house.send("and?"))
    shown = [(message.role, message.content) for message in house.provider.requests[0].messages]
    assert shown == [
        (Role.USER, "a dot"),
        (Role.ASSISTANT, "[image drawn from: a dot]"),
        (Role.USER, "and?"),
    ]


async def test_a_failure_of_the_model_is_told_and_leaves_no_file(house: House, tmp_path: Path) -> None:
    house.provider.script_image(ProviderError("PROVIDER_RATE_LIMITED", "slow down", retryable=True))
    end = await house.ended(await house.send("a dot", options=IMAGE))
    assert (end.state, end.reason, end.message) == (RunState.FAILED, "PROVIDER_RATE_LIMITED", "slow down")
    assert [message.role for message in await messages(house)] == [Role.USER]
    assert kept(tmp_path) == []


async def test_a_cancelled_image_is_drawn_no_further(house: House, tmp_path: Path) -> None:
    gate = Gate()
    house.provider.script_image(gate, DOT)
    run = await house.send("a dot", options=IMAGE)
    await gate.reached()
    assert (await house.runs.cancel(ANNA, run.id)).state is RunState.CANCELLED
    await house.provider.idle()
    assert house.provider.streams_abandoned == 1
    assert [message.role for message in await messages(house)] == [Role.USER]
    assert kept(tmp_path) == []


async def test_an_interrupt_ends_an_image_and_a_queue_waits_for_one(house: House) -> None:
    gate = Gate()
    house.provider.script_image(gate, DOT)
    house.provider.script("first words")
    house.provider.script("last words")
    image = await house.send("a dot", options=IMAGE)
    waiting = await house.send("one")
    assert waiting.state is RunState.QUEUED
    await gate.reached()
    gate.open()
    assert (await house.ended(waiting)).state is RunState.COMPLETED
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
    held = Gate()
    house.provider.script_image(held, DOT)
    again = await house.send("a dot", options=IMAGE)
    await held.reached()
    assert (await house.ended(await house.send("two"))).state is RunState.COMPLETED
    assert (await house.ended(again)).state is RunState.INTERRUPTED
    assert (await house.ended(image)).state is RunState.COMPLETED


async def test_a_repeated_request_draws_once(house: House) -> None:
    house.provider.script_image(DOT)
    first = await house.send("a dot", request_id="r", options=IMAGE)
    await house.ended(first)
    assert (await house.send("a dot", request_id="r", options=IMAGE)).id == first.id
    assert len(house.provider.image_requests) == 1


async def test_what_was_being_drawn_when_the_house_fell_is_drawn_again(tmp_path: Path) -> None:
    falling = ScriptedProvider()
    gate = Gate()
    falling.script_image(gate, DOT)
    async with open_house(tmp_path, falling) as house:
        await house.threads.create(ANNA, name="", key="talk")
        run = await house.send("a dot", options=IMAGE)
        await gate.reached()
    provider = ScriptedProvider()
    provider.script_image(GIF)
    async with open_house(tmp_path, provider) as house:
        events = [event.payload for event in await house.events(run)]
        assert AttemptReset(2) in events
        drawn = (await messages(house))[1]
        assert drawn.image is not None
        assert await content(house, drawn.image.file_id) == GIF
        assert len(kept(tmp_path)) == 1


async def test_an_image_is_drawn_three_times_at_most(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    for _ in range(3):
        provider.script_image(TimeoutError("not the run's own"))
    async with open_house(tmp_path, provider, limits=replace(QUICK, run_attempts=3)) as house:
        await house.threads.create(ANNA, name="", key="talk")
        end = await house.ended(await house.send("a dot", options=IMAGE))
        assert (end.state, end.reason) == (RunState.FAILED, "ATTEMPTS_EXHAUSTED")
        assert len(provider.image_requests) == 3


async def test_a_disk_that_refuses_once_costs_an_attempt(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    put, refusals = house.blobs.put, [StoreUnavailable()]

    async def refusing(file_id: FileId, data: bytes) -> None:
        if refusals:
            raise refusals.pop()
        await put(file_id, data)

    monkeypatch.setattr(house.blobs, "put", refusing)
    house.provider.script_image(DOT)
    house.provider.script_image(DOT)
    run = await house.send("a dot", options=IMAGE)
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert (await house.runs.get(ANNA.owner, run.id)).epoch == 2


async def test_a_file_is_its_owners_and_goes_with_its_conversation(house: House, tmp_path: Path) -> None:
    house.provider.script_image(DOT)
    await house.ended(await house.send("a dot", options=IMAGE))
    drawn = (await messages(house))[1]
    assert drawn.image is not None
    file_id = drawn.image.file_id
    with pytest.raises(FileNotFound):
        await house.files.get(BERT.owner, file_id)
    await house.threads.delete(ANNA, "talk")
    with pytest.raises(FileNotFound):
        await house.files.get(ANNA.owner, file_id)
    assert kept(tmp_path) == []


async def test_a_file_whose_content_is_gone_is_not_found(house: House) -> None:
    house.provider.script_image(DOT)
    await house.ended(await house.send("a dot", options=IMAGE))
    drawn = (await messages(house))[1]
    assert drawn.image is not None
    await house.blobs.delete([drawn.image.file_id])
    with pytest.raises(FileNotFound):
        await house.files.get(ANNA.owner, drawn.image.file_id)


@pytest.fixture
async def drawn_house(house: House) -> tuple[House, FileId]:
    """A house with one image, and its file."""
    house.provider.script_image(DOT)
    await house.ended(await house.send("a dot", options=IMAGE))
    image = (await messages(house))[1].image
    assert image is not None
    return house, image.file_id


async def test_a_sweep_removes_old_orphans_only(drawn_house: tuple[House, FileId], tmp_path: Path) -> None:
    house, file_id = drawn_house
    orphan, young = FileId(f"0000{file_id[4:]}"), FileId(f"1111{file_id[4:]}")
    for each in (orphan, young):
        await house.blobs.put(each, b"left behind")
    long_ago = time.time() - 2 * FileSweep.GRACE.total_seconds()
    for each in (orphan, file_id):
        os.utime(tmp_path / "files" / each[-2:] / each, (long_ago, long_ago))
    await FileSweep(store=house.store, blobs=house.blobs, clock=SystemClock()).sweep()
    assert kept(tmp_path) == sorted([young, file_id])
    assert await content(house, file_id) == DOT


async def test_the_row_of_a_file_is_never_without_its_content(tmp_path: Path) -> None:
    """A run that ended elsewhere between content and commit leaves an orphan, never a row."""
    provider = ScriptedProvider()
    gate = Gate()
    provider.script_image(gate, DOT)
    async with (
        open_house(tmp_path, provider) as house,
        open_store(f"sqlite+aiosqlite:///{tmp_path / 'house.db'}", feed=house.feed) as other,
    ):
        await house.threads.create(ANNA, name="", key="talk")
        run = await house.send("a dot", options=IMAGE)
        await gate.reached()
        now = SystemClock().now()
        ended = await other.write(
            ANNA.owner, lambda tx: tx.runs.end(run.id, epoch=1, state=RunState.CANCELLED, now=now)
        )
        assert ended
        gate.open()
        await house.engine.drain(timedelta(seconds=30))
        assert [message.role for message in await messages(house)] == [Role.USER]
        conversation = (await house.threads.get(ANNA.owner, "talk")).conversation
        assert await house.store.read(ANNA.owner, lambda tx: tx.files.of_conversation(conversation.id)) == []
    assert len(kept(tmp_path)) == 1
