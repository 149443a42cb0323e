"""Edits and answers made anew: what the model sees, what a run under way becomes of, what stays readable; and forks."""

from pathlib import Path
from typing import Any

import pytest

from server.application.revisions import Edit, Regeneration, Revision
from server.application.runs import SendMessage
from server.domain.conversation import InterruptPolicy
from server.domain.events import BranchActivated, Event, TextDelta
from server.domain.generation import GenerationConfig
from server.domain.history_errors import MessageNotFound, MessageNotInHistory, RunActive
from server.domain.ids import MessageId
from server.domain.message import Message, Role, ToolCall
from server.domain.run import Run, RunOptions, RunState
from server.ports.store import Transaction
from tests.support.house import ANNA, House, open_house
from tests.support.images import DOT
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate

INTERRUPT = InterruptPolicy.INTERRUPT


async def revise(house: House, revision: Revision, content: str = "", **more: Any) -> Run:
    return await house.runs.send(ANNA, SendMessage("talk", content, revision=revision, **more))


async def exchange(house: House, *texts: str) -> list[Message]:
    """Say each text and have it answered by itself in capitals; returns the history."""
    for text in texts:
        house.provider.script(text.upper())
        await house.ended(await house.send(text))
    return await history(house)


async def history(house: House, key: str = "talk", *, branch: int = 0) -> list[Message]:
    return (await house.threads.messages(ANNA.owner, key, page_size=0, page_token="", branch=branch)).items


async def texts(house: House, key: str = "talk", *, branch: int = 0) -> list[str]:
    return [message.content for message in await history(house, key, branch=branch)]


async def test_an_edit_goes_on_behind_what_was_before_the_message(house: House) -> None:
    talk = await exchange(house, "one", "two", "three")
    house.provider.script("2")
    run = await revise(house, Edit(talk[2].id), "zwei")
    assert (await house.ended(run)).state is RunState.COMPLETED
    asked = [(message.role, message.content) for message in house.provider.requests[-1].messages]
    assert asked == [(Role.USER, "one"), (Role.ASSISTANT, "ONE"), (Role.USER, "zwei")]
    assert await texts(house) == ["one", "ONE", "zwei", "2"]
    assert await texts(house, branch=1) == ["one", "ONE", "two", "TWO", "three", "THREE"]
    assert (await house.runs.get(ANNA.owner, run.id)).user_message_id == (await history(house))[2].id
    old_id = talk[2].run_id
    assert old_id is not None
    assert (await house.runs.get(ANNA.owner, old_id)).user_message_id == talk[2].id


async def test_an_answer_is_made_anew_to_the_same_message_with_another_configuration(house: House) -> None:
    await exchange(house, "one", "two")
    house.provider.script("2")
    run = await revise(house, Regeneration(), generation=GenerationConfig(model="second", temperature=0.5))
    await house.ended(run)
    talk = await history(house)
    assert [message.content for message in talk] == ["one", "ONE", "two", "2"]
    assert (run.user_message_id, talk[-1].model, talk[-1].run_id) == (talk[2].id, "second", run.id)
    assert house.provider.requests[-1].generation.temperature == 0.5
    assert [message.content for message in house.provider.requests[-1].messages] == ["one", "ONE", "two"]


async def test_a_message_without_an_answer_is_answered_in_its_branch(house: House) -> None:
    house.provider.script(Gate())
    run = await house.send("one")
    await house.provider.requested()
    await house.runs.cancel(ANNA, run.id)
    house.provider.script("ONE")
    again = await revise(house, Regeneration())
    await house.ended(again)
    assert len((await house.branches.page(ANNA.owner, "talk", page_size=0, page_token="")).items) == 1
    assert (await history(house))[0].id == again.user_message_id == run.user_message_id


@pytest.mark.parametrize("is_edit", [True, False])
async def test_behind_a_run_nothing_is_revised_and_nothing_changed(house: House, *, is_edit: bool) -> None:
    talk = await exchange(house, "one")
    gate = Gate()
    house.provider.script("TWO", gate)
    run = await house.send("two")
    await house.provider.requested(2)
    before = await house.threads.state(ANNA.owner, "talk")
    with pytest.raises(RunActive):
        await revise(house, Edit(talk[0].id) if is_edit else Regeneration(talk[1].id), "uno")
    after = await house.threads.state(ANNA.owner, "talk")
    assert [m.id for m in after.messages] == [m.id for m in before.messages]
    assert after.active_run is not None
    gate.open()
    assert (await house.ended(run)).state is RunState.COMPLETED


async def test_an_edit_that_interrupts_ends_the_run_keeps_its_words_and_takes_along_what_waits(house: House) -> None:
    talk = await exchange(house, "one")
    house.provider.script("partial", Gate())
    for answer in ("UNO", "THREE"):
        house.provider.script(answer)
    old, waiting = await house.send("two"), await house.send("three")
    async for event in house.streams.run(ANNA.owner, old.id, after=0):
        if isinstance(event, Event) and isinstance(event.payload, TextDelta):
            break
    run = await revise(house, Edit(talk[0].id), "uno", interrupt_policy=INTERRUPT)
    assert run.state is RunState.RUNNING
    assert (await house.ended(old)).state is RunState.INTERRUPTED
    assert (await house.ended(waiting)).state is RunState.COMPLETED
    await house.provider.idle()
    assert house.provider.streams_abandoned == 1
    assert await texts(house, branch=1) == ["one", "ONE", "two", "partial"]
    assert await texts(house) == ["uno", "UNO", "three", "THREE"]


async def test_the_answer_under_way_is_made_anew(house: House) -> None:
    house.provider.script("wrong", Gate())
    house.provider.script("right")
    old = await house.send("one")
    async for event in house.streams.run(ANNA.owner, old.id, after=0):
        if isinstance(event, Event) and isinstance(event.payload, TextDelta):
            break
    await house.ended(await revise(house, Regeneration(), interrupt_policy=INTERRUPT))
    assert await texts(house) == ["one", "right"]
    assert await texts(house, branch=1) == ["one", "wrong"]


async def test_watchers_learn_what_of_the_history_stays(house: House) -> None:
    talk = await exchange(house, "one", "two")
    house.provider.script("2")
    await house.ended(await revise(house, Edit(talk[2].id), "zwei"))
    await house.branches.switch(ANNA, "talk", 1)
    seen: list[Event] = []
    last = (await house.threads.state(ANNA.owner, "talk")).conversation.last_sequence
    stream = house.streams.watch(ANNA.owner, "talk", after=0)
    while len(seen) < last:
        event = await anext(stream)
        seen += [event] if isinstance(event, Event) else []
    await stream.aclose()
    told = [(event.run_id, event.payload) for event in seen if isinstance(event.payload, BranchActivated)]
    assert told == [(None, BranchActivated(2, 2, 2, talk[2].id)), (None, BranchActivated(1, 2, 4))]


async def test_a_revision_of_an_old_branch_brings_back_what_it_shares(house: House) -> None:
    talk = await exchange(house, "one", "two", "three")
    house.provider.script("1")
    await house.ended(await revise(house, Edit(talk[0].id), "eins"))
    house.provider.script("3")
    await house.ended(await revise(house, Regeneration(talk[5].id)))
    assert await texts(house) == ["one", "ONE", "two", "TWO", "three", "3"]
    assert await texts(house, branch=2) == ["eins", "1"]


async def test_a_revision_survives_the_fall_of_the_house(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    async with open_house(tmp_path, provider) as house:
        await house.threads.create(ANNA, name="", key="talk")
        talk = await exchange(house, "one")
        provider.script("half", Gate())
        run = await revise(house, Edit(talk[0].id), "uno")
        await provider.requested(2)
    provider.script("UNO")
    async with open_house(tmp_path, provider) as house:
        assert (await house.ended(run)).state is RunState.COMPLETED
        assert await texts(house) == ["uno", "UNO"]
        assert await texts(house, branch=1) == ["one", "ONE"]
    check_invariants(tmp_path / "house.db")


async def test_no_branch_is_switched_while_a_message_waits(house: House) -> None:
    talk = await exchange(house, "one")
    house.provider.script("UNO")
    await house.ended(await revise(house, Edit(talk[0].id), "uno"))
    house.provider.script(Gate())
    run = await house.send("two")
    with pytest.raises(RunActive):
        await house.branches.switch(ANNA, "talk", 1)
    assert (await house.branches.switch(ANNA, "talk", 2)).is_active
    await house.runs.cancel(ANNA, run.id)
    await house.branches.switch(ANNA, "talk", 1)
    assert await texts(house) == ["one", "ONE"]


async def test_an_image_is_drawn_anew_and_goes_along_with_a_fork(house: House) -> None:
    house.provider.script_image(DOT)
    await house.ended(await house.send("a dot", options=RunOptions(image=True)))
    house.provider.script_image(DOT)
    await house.ended(await revise(house, Regeneration()))
    assert [request.prompt for request in house.provider.image_requests] == ["a dot", "a dot"]
    await house.forks.fork(ANNA, "talk", upto=None, new_key="fork", name="")
    await house.threads.delete(ANNA, "talk")
    image = (await history(house, "fork"))[1].image
    assert image is not None
    file = await house.files.get(ANNA.owner, image.file_id)
    assert b"".join([piece async for piece in house.files.content(file)]) == DOT


async def test_a_fork_ends_with_the_results_of_its_last_calls_and_without_calls_that_have_none(house: House) -> None:
    talk = (await house.threads.state(ANNA.owner, "talk")).conversation
    calls = (ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}"))

    async def fill(tx: Transaction) -> None:
        said: list[tuple[Role, dict[str, Any]]] = [
            (Role.USER, {}),
            (Role.ASSISTANT, {"tool_calls": calls}),
            (Role.TOOL, {"tool_call_id": "a"}),
            (Role.TOOL, {"tool_call_id": "b"}),
            (Role.ASSISTANT, {"tool_calls": (ToolCall("c", "look", "{}"),)}),
        ]
        for number, (role, fields) in enumerate(said):
            message = Message(MessageId(f"m{number}"), talk.id, role, f"{number}", talk.created_at, **fields)
            await tx.messages.append(message)

    await house.store.write(ANNA.owner, fill)
    for name, upto in {"all": None, "calls": "m1", "first": "m2", "open": "m4"}.items():
        await house.forks.fork(ANNA, "talk", upto=MessageId(upto) if upto else None, new_key=name, name="")
        assert await texts(house, name) == ["0", "1", "2", "3"], name


async def test_what_is_no_message_of_the_history_is_neither_edited_nor_forked(house: House) -> None:
    house.provider.script(Gate())
    run, waiting = await house.send("one"), await house.send("two")
    for message_id, error in ((waiting.user_message_id, MessageNotInHistory), (MessageId("x"), MessageNotFound)):
        with pytest.raises(error):
            await revise(house, Edit(message_id), "three", interrupt_policy=INTERRUPT)
        with pytest.raises(error):
            await house.forks.fork(ANNA, "talk", upto=message_id, new_key="fork", name="")
    assert (await house.runs.get(ANNA.owner, run.id)).state is RunState.RUNNING
