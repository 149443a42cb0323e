"""Extractions that are not over: taken up by one at a time, each step once."""

import asyncio

from server.domain.memory import Extraction
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, BOB, at, conversation, running_run, stored


async def test_an_extraction_is_taken_up_once_it_is_due_and_by_one_alone(store: Store) -> None:
    talk, other = conversation("talk"), conversation("talk", owner=BOB)
    await stored(store, talk, other)
    hers, his = running_run(talk), running_run(other)
    await store.write(ALICE, lambda tx: tx.extractions.begin(hers.id, talk.id, due=at(60)))
    await store.write(BOB, lambda tx: tx.extractions.begin(his.id, other.id, due=at(30)))
    assert await store.read_system(lambda tx: tx.due_extractions(at(29), limit=9)) == []
    assert await store.read_system(lambda tx: tx.due_extractions(at(60), limit=9)) == [(BOB, his.id), (ALICE, hers.id)]
    assert await store.read_system(lambda tx: tx.due_extractions(at(60), limit=1)) == [(BOB, his.id)]

    async def claim() -> Extraction | None:
        return await store.write(ALICE, lambda tx: tx.extractions.claim(hers.id, now=at(60), until=at(120)))

    assert sorted([await one for one in asyncio.as_completed([claim(), claim()])], key=bool) == [
        None,
        Extraction(hers.id, 1, None, 0),
    ]
    assert await store.read_system(lambda tx: tx.due_extractions(at(119), limit=9)) == [(BOB, his.id)]


async def test_extractions_of_a_process_that_is_gone_are_due_at_once(store: Store) -> None:
    talk = conversation("talk")
    await stored(store, talk)
    run = running_run(talk)
    await store.write(ALICE, lambda tx: tx.extractions.begin(run.id, talk.id, due=at(60)))
    await store.write_system(lambda tx: tx.void_leases())
    assert await store.read_system(lambda tx: tx.due_extractions(at(0), limit=9)) == [(ALICE, run.id)]


async def test_each_step_of_an_extraction_is_made_once(store: Store) -> None:
    talk = conversation("talk")
    await stored(store, talk)
    run = running_run(talk)

    async def steps(tx: Transaction) -> list[bool]:
        await tx.extractions.begin(run.id, talk.id, due=at(0))
        kept = [
            await tx.extractions.keep_facts(run.id, facts) for facts in (["tea", "ein Hund \u2013 groß"], ["other"])
        ]
        return [*kept, *[await tx.extractions.advance(run.id, done=number) for number in (0, 0, 2, 1)]]

    assert await store.write(ALICE, steps) == [True, False, True, False, False, True]
    found = await store.read(ALICE, lambda tx: tx.extractions.get(run.id))
    assert found == Extraction(run.id, 0, ["tea", "ein Hund \u2013 groß"], 2)
    assert [await store.write(ALICE, lambda tx: tx.extractions.end(run.id)) for _ in range(2)] == [True, False]
    assert await store.read(ALICE, lambda tx: tx.extractions.get(run.id)) is None


async def test_extractions_go_with_their_conversation(store: Store) -> None:
    talk = conversation("talk")
    await stored(store, talk)
    run = running_run(talk)
    await store.write(ALICE, lambda tx: tx.extractions.begin(run.id, talk.id, due=at(0)))
    await store.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    assert not await store.write(ALICE, lambda tx: tx.extractions.keep_facts(run.id, ["tea"]))
