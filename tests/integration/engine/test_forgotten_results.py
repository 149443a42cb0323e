"""What was remembered of marked calls, to answer them a second time, goes with the conversation that it tells of."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.domain.errors import ConversationNotFound, RunNotFound
from server.domain.ids import default_organization_id
from server.domain.principal import Principal, RequestKey
from tests.support.house import ANNA, House
from tests.support.sqlite_tables import tables_of
from tests.support.upstream.gate import Gate

SECRET = "plum-coloured"
ORGANIZATION = default_organization_id(ANNA.owner.tenant)
Call = Callable[[House, Principal], Awaitable[Any]]


def _marked(name: str) -> Principal:
    return replace(ANNA, request_key=RequestKey(name, "fingerprint"))


def _tables_with(path: Path, words: str) -> set[str]:
    """The tables in any text of whose rows the words are."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            name
            for name in tables_of(connection)
            if words in str(connection.execute(f"SELECT * FROM {name}").fetchall())
        }


async def _create(house: House, by: Principal) -> str:
    return (await house.threads.create(by, name=SECRET, key=SECRET)).conversation.id


async def _fork(house: House, by: Principal) -> str:
    return (await house.forks.fork(by, "talk", upto=None, new_key=SECRET, name=SECRET)).conversation.id


async def _create_for_organization(house: House, by: Principal) -> str:
    made = await house.conversations.create(by, ORGANIZATION, title=SECRET, archived=False)
    return made.id


@pytest.mark.parametrize("call", [_create, _fork, _create_for_organization], ids=lambda call: call.__name__)
async def test_nothing_of_a_deleted_conversation_is_remembered(house: House, tmp_path: Path, call: Call) -> None:
    first = await call(house, _marked("k"))
    assert await call(house, _marked("k")) == first
    assert {"conversations", "requests"} <= _tables_with(tmp_path / "house.db", SECRET)
    (key,) = [each.key for each in await _conversations(house) if each.id == first]
    await house.threads.delete(_marked("deletion"), key)
    assert _tables_with(tmp_path / "house.db", SECRET) == set()
    await house.threads.delete(_marked("deletion"), key)
    assert await call(house, _marked("k")) != first


async def _conversations(house: House) -> list[Any]:
    return await house.store.read(ANNA.owner, lambda tx: tx.conversations.slice(offset=0, limit=9))


async def test_a_repeated_change_finds_that_the_conversation_is_gone(house: House, tmp_path: Path) -> None:
    talk = (await house.threads.state(ANNA.owner, "talk")).conversation
    await house.chats.rename(_marked("k"), talk.id, SECRET)
    await house.chats.rename(_marked("k"), talk.id, SECRET)
    await house.threads.delete(ANNA, "talk")
    assert _tables_with(tmp_path / "house.db", SECRET) == set()
    with pytest.raises(ConversationNotFound):
        await house.chats.rename(_marked("k"), talk.id, SECRET)


async def test_a_cancelled_run_is_forgotten_with_its_conversation(house: House, tmp_path: Path) -> None:
    house.provider.script("some", Gate())
    await house.threads.create(ANNA, name="", key=SECRET)
    run = await house.send("question", to=SECRET)
    cancelled = await house.runs.cancel(_marked("k"), run.id)
    assert await house.runs.cancel(_marked("k"), run.id) == cancelled
    await house.threads.delete(_marked("deletion"), SECRET)
    assert _tables_with(tmp_path / "house.db", SECRET) == set()
    with pytest.raises(RunNotFound):
        await house.runs.cancel(_marked("k"), run.id)


async def test_a_deletion_remembers_no_more_than_what_is_gone(house: House, tmp_path: Path) -> None:
    """Not even of the run that it stopped."""
    house.provider.script("some", Gate())
    await house.threads.create(ANNA, name="", key=SECRET)
    await house.send("question", to=SECRET)
    await house.threads.delete(_marked("k"), SECRET)
    assert _tables_with(tmp_path / "house.db", SECRET) == set()
    await house.threads.delete(_marked("k"), SECRET)
