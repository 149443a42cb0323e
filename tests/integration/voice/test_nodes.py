"""Calls on two processes of one PostgreSQL: a thread has one session, whichever of them is asked."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.domain.voice import End
from server.domain.voice_errors import VoiceSessionNotFound
from tests.contract.store.postgres_server import PostgresServer
from tests.support.scripted_provider import ScriptedProvider
from tests.support.voice.daily import StandInDaily
from tests.support.voice.exchange import ANNA, LIMITS, Exchange, open_exchange, until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def nodes(
    postgres_server: PostgresServer, tmp_path: Path, provider: ScriptedProvider
) -> AsyncIterator[list[Exchange]]:
    """Two nodes on one database and one Daily."""
    name = "voice_on_two_nodes"
    postgres_server.create(name)
    limits = replace(LIMITS, lease=timedelta(seconds=60))
    async with AsyncExitStack() as stack:
        daily = await stack.enter_async_context(StandInDaily())
        yield [
            await stack.enter_async_context(
                open_exchange(tmp_path / node, provider, limits=limits, daily=daily, url=postgres_server.url(name))
            )
            for node in ("one", "two")
        ]


async def test_both_lead_to_one_room_and_either_ends_it(nodes: list[Exchange], provider: ScriptedProvider) -> None:
    one, two = nodes
    provider.script("Hello.")
    await one.house.threads.create(ANNA, name="Talk", key="talk")
    made, puppet = await one.call()
    joined = await two.house.voice.create(ANNA, "talk")
    assert joined.session == replace(made.session, lease_until=joined.session.lease_until)
    puppet.say("heard", turn=1, text="Hi")
    assert await puppet.answer() == "Hello."
    puppet.say("spoken", turn=1, text="Hello.", done=True)
    await two.spoken(1)
    assert await two.house.voice.end(ANNA, "talk") == made.session.room_name
    assert not one.daily.rooms
    assert (await puppet.told_until("leave"))[-1] == {"type": "leave"}
    await until(lambda: one.figures.ends == [End.GONE])
    with pytest.raises(VoiceSessionNotFound):
        await one.house.voice.end(ANNA, "talk")
