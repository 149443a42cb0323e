"""Processes that die, stand still, or work side by side: nothing is lost, and what comes twice bears the same id."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from server import failpoint as failpoints
from server.adapters.store import open_store
from server.domain.webhook import DeliveryState, WebhookEvent
from tests.contract.store.recording_feed import RecordingFeed
from tests.integration.webhooks.hooked import HASTY, hooked, serving
from tests.integration.webhooks.test_delivery import by_conversation, settled
from tests.support.hook_receiver import acknowledge, answering, receiving

ENDS = WebhookEvent.RUN_COMPLETED


@pytest.mark.parametrize(
    ("step", "comes_twice"),
    [
        ("webhooks.found", False),
        ("webhooks.queued", False),
        ("webhooks.sent", True),
        ("webhooks.recorded", False),
    ],
)
async def test_whoever_breaks_off_at_a_step_is_followed_by_one_who_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, comes_twice: bool
) -> None:
    async with hooked(tmp_path) as house, receiving() as receiver:
        webhook, _ = await house.hook(receiver.url, ENDS)
        monkeypatch.setattr(failpoints, "_ARMED", failpoints.parse(f"{step}=raise"))
        await house.talk("talk", times=3)
        found = await settled(house, webhook.id, DeliveryState.DELIVERED, count=3)
        counted = Counter(request.id for request in receiver.requests)
        assert list(counted) == [each.message_id for each in found]
        assert sorted(counted.values()) == ([1, 1, 2] if comes_twice else [1, 1, 1])


async def test_what_is_under_way_when_a_process_leaves_is_made_again_by_the_next(tmp_path: Path) -> None:
    async with receiving() as receiver:
        began = asyncio.Event()

        async def stuck(*_: object) -> bool:
            began.set()
            await asyncio.Event().wait()
            return False

        receiver.answer = stuck
        async with hooked(tmp_path) as house:
            await house.hook(receiver.url, ENDS)
            await house.talk("talk")
            async with asyncio.timeout(40):
                await began.wait()
        receiver.answer = acknowledge
        feed = RecordingFeed()
        async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'house.db'}", feed=feed) as store, serving(store):
            await receiver.until(lambda it: len(it.acknowledged) == 1)
        assert len({request.id for request in receiver.requests}) == 1
        assert receiver.acknowledged[0].id == receiver.requests[0].id


async def test_two_processes_share_the_webhooks_of_a_database_and_keep_the_order(
    tmp_path: Path, postgres_url: str
) -> None:
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(receiving()) for _ in range(3)]
        receivers[1].answer = answering(500)
        policy = replace(HASTY, webhooks=2)
        house = await stack.enter_async_context(hooked(tmp_path, url=postgres_url, policy=policy))
        other = await stack.enter_async_context(open_store(postgres_url, feed=RecordingFeed()))
        await stack.enter_async_context(serving(other, policy=policy))
        hooks = [(await house.hook(receiver.url))[0] for receiver in receivers]
        await house.talk("one", "two", "three", times=3)
        receivers[1].answer = acknowledge
        for hook, receiver in zip(hooks, receivers, strict=True):
            found = await settled(house, hook.id, DeliveryState.DELIVERED, count=18)
            assert len(found) == 18
            for requests in by_conversation(receiver.acknowledged).values():
                sequences = [request.told["data"]["sequence"] for request in requests]
                assert sequences == sorted(set(sequences))
