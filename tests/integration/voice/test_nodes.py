"""Calls on two processes of one PostgreSQL: a thread has one session, whichever of them is asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.domain.voice import End
from server.domain.voice_errors import TooManyVoiceSessions, VoiceSessionNotFound
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
    name = f"voice_{tmp_path.name}"
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


async def _have_all_join(node: Exchange) -> None:
    while True:
        await node.puppets.joined()


async def test_those_made_at_once_on_both_count_together(nodes: list[Exchange]) -> None:
    keys = [f"talk-{number}" for number in range(4 * LIMITS.per_user)]
    for key in keys:
        await nodes[0].house.threads.create(ANNA, name="Talk", key=key)
    joining = [asyncio.create_task(_have_all_join(node)) for node in nodes]
    creating = [nodes[place % 2].house.voice.create(ANNA, key) for place, key in enumerate(keys)]
    outcomes = await asyncio.gather(*creating, return_exceptions=True)
    for each in joining:
        each.cancel()
    refused = [each for each in outcomes if isinstance(each, TooManyVoiceSessions)]
    assert len(outcomes) - len(refused) == len(nodes[0].daily.rooms) == LIMITS.per_user
