"""What a receiver is told, in which order, how often, and what becomes of receivers that do not take it."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server import failpoint as failpoints
from server.application import webhooks as use_cases
from server.application.webhooks import WebhookWish
from server.domain.audit import SERVICE, AuditFilter
from server.domain.ids import WebhookId
from server.domain.webhook import Delivery, DeliveryError, DeliveryState, DisabledReason, WebhookEvent
from server.domain.webhook_errors import WebhookNotFound
from tests.integration.webhooks.hooked import HASTY, Hooked, hooked
from tests.support.hook_receiver import (
    Answer,
    HookReceiver,
    Request,
    acknowledge,
    answering,
    babble,
    flood,
    hang,
    receiving,
    reset,
)
from tests.support.house import ANNA

ENDS = (WebhookEvent.RUN_COMPLETED,)


@pytest.fixture
async def receiver() -> AsyncIterator[HookReceiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Hooked]:
    async with hooked(tmp_path) as found:
        yield found


def by_conversation(requests: Sequence[Request]) -> dict[str, list[Request]]:
    found: dict[str, list[Request]] = {}
    for request in requests:
        found.setdefault(request.told["data"]["conversation_key"], []).append(request)
    return found


async def settled(house: Hooked, webhook_id: WebhookId, state: DeliveryState, *, count: int = 1) -> list[Delivery]:
    """The deliveries, once so many are there and all stand somewhere."""

    async def are_there() -> bool:
        found = await house.deliveries(webhook_id)
        return len(found) >= count and {each.state for each in found} == {state}

    await until(are_there)
    return await house.deliveries(webhook_id)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until something holds."""
    async with asyncio.timeout(40):
        while not await holds():  # noqa: ASYNC110 - it holds in the store, which tells nobody
            await asyncio.sleep(0.01)


async def test_a_run_is_told_from_its_beginning_to_its_end(house: Hooked, receiver: HookReceiver) -> None:
    webhook, secret = await house.hook(receiver.url)
    run = await house.house.send("Hello, you")
    await house.house.ended(run)
    await receiver.until(lambda it: len(it.acknowledged) == 2)
    began, ended = receiver.acknowledged
    assert began.told["type"] == "run.started"
    assert began.told["data"]["model"] == "first"
    assert ended.told["type"] == "run.completed"
    events = await house.house.events(run)
    assert ended.told["data"] == {
        "conversation_id": run.conversation_id,
        "conversation_key": "talk",
        "user": "anna",
        "sequence": events[-1].sequence,
        "run_id": run.id,
        "state": "COMPLETED",
        "prompt_tokens": 3,
        "completion_tokens": 2,
    }
    assert ended.headers["content-type"] == "application/json"
    assert all(request.is_signed_by(secret) for request in receiver.requests)
    found = await settled(house, webhook.id, DeliveryState.DELIVERED, count=2)
    assert [(each.event, each.attempts, each.status, each.error) for each in found] == [
        ("run.started", 1, 200, None),
        ("run.completed", 1, 200, None),
    ]
    assert [each.message_id for each in found] == [began.id, ended.id]


async def test_nothing_that_anybody_said_is_told_unless_the_webhook_says_so(
    house: Hooked, receiver: HookReceiver
) -> None:
    await house.hook(receiver.url)
    async with receiving() as trusted:
        await house.hook(trusted.url, *ENDS, include_content=True)
        await house.house.ended(await house.house.send("My secret"))
        await receiver.until(lambda it: len(it.acknowledged) == 2)
        await trusted.until(lambda it: len(it.acknowledged) == 1)
        assert trusted.acknowledged[0].told["data"]["content"] == "Hello there"
    everything = b"".join(request.body for request in receiver.requests)
    assert b"My secret" not in everything
    assert b"Hello there" not in everything


async def test_a_webhook_is_told_of_what_it_asked_for_from_then_on(house: Hooked, receiver: HookReceiver) -> None:
    await house.talk("before")
    webhook, _ = await house.hook(receiver.url, *ENDS)
    await house.talk("after")
    await receiver.until(lambda it: len(it.acknowledged) == 1)
    (found,) = await settled(house, webhook.id, DeliveryState.DELIVERED)
    assert found.event == "run.completed"
    assert receiver.requests[0].told["data"]["conversation_key"] == "after"


@pytest.mark.parametrize("seed", [8, 21])
async def test_whatever_fails_each_conversation_is_told_in_order_without_a_gap(house: Hooked, seed: int) -> None:
    dice, kinds = random.Random(seed), (answering(500), reset, babble, answering(302, location="/"))
    talks = [f"talk-{number}" for number in range(6)]

    async def sometimes(request: Request, writer: asyncio.StreamWriter) -> bool:
        if dice.random() < 0.4:
            return await dice.choice(kinds)(request, writer)
        if dice.random() < 0.2:
            # It was taken, and nobody hears of that.
            taken.append(request)
            return await reset(request, writer)
        taken.append(request)
        return await acknowledge(request, writer)

    taken: list[Request] = []
    async with receiving(sometimes) as receiver:
        webhook, _ = await house.hook(receiver.url)
        await house.talk(*talks, times=4)
        found = await settled(house, webhook.id, DeliveryState.DELIVERED, count=48)
    assert len(found) == 48
    for talk, requests in by_conversation(taken).items():
        ids = list(dict.fromkeys(request.id for request in requests))
        wanted = [
            each.message_id for each in found if each.conversation_id == requests[0].told["data"]["conversation_id"]
        ]
        assert ids == wanted, talk
        sequences = [request.told["data"]["sequence"] for request in requests]
        assert sequences == sorted(sequences)
        bodies = {(request.id, request.body) for request in requests}
        assert len(bodies) == len(ids)


async def test_one_receiver_that_hangs_keeps_no_other_and_no_run_waiting(house: Hooked, receiver: HookReceiver) -> None:
    async with receiving(hang) as stuck:
        await house.hook(stuck.url)
        await house.hook(receiver.url)
        await house.talk("one", "two", times=3)
        await receiver.until(lambda it: len(it.acknowledged) == 12)
        # Of each conversation one request is under way, and none behind it.
        await stuck.until(lambda it: it.under_way == 2)
        assert len(stuck.requests) == 2


async def test_requests_to_one_webhook_are_bounded(tmp_path: Path) -> None:
    async with hooked(tmp_path, policy=replace(HASTY, window=3)) as house, receiving(hang) as stuck:
        await house.hook(stuck.url, *ENDS)
        await house.talk(*(f"talk-{number}" for number in range(8)))
        await stuck.until(lambda it: it.under_way == 3)
        assert stuck.most_under_way == 3
        stuck.answer = acknowledge


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (answering(500), DeliveryError.STATUS, 500),
        (answering(404), DeliveryError.STATUS, 404),
        (answering(503, retry_after="Mon, 01 Jan 99999999999999999999 00:00:00 GMT"), DeliveryError.STATUS, 503),
        (answering(301, location="http://169.254.169.254/latest/meta-data/"), DeliveryError.STATUS, 301),
        (reset, DeliveryError.BROKEN, None),
        (babble, DeliveryError.BROKEN, None),
        (hang, DeliveryError.TIMED_OUT, None),
    ],
)
async def test_what_is_not_acknowledged_is_given_up_after_so_many_attempts(
    tmp_path: Path, answer: Answer, error: DeliveryError, status: int | None
) -> None:
    timeout = timedelta(milliseconds=100) if answer is hang else HASTY.timeout
    policy = replace(HASTY, attempts=3, timeout=timeout)
    async with hooked(tmp_path, policy=policy) as house, receiving(answer) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk("talk", times=2)
        found = await settled(house, webhook.id, DeliveryState.GIVEN_UP, count=2)
        assert [(each.attempts, each.error, each.status) for each in found] == [(3, error, status)] * 2
        # The next one of the conversation came when the one before was given up.
        ids = [request.id for request in receiver.requests]
        assert ids == [found[0].message_id] * 3 + [found[1].message_id] * 3
        assert (await house.webhooks.get(ANNA.owner, webhook.id)).failing_since is not None


async def test_an_answer_without_end_is_an_answer(house: Hooked) -> None:
    async with receiving(flood) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk("talk")
        (found,) = await settled(house, webhook.id, DeliveryState.DELIVERED)
        assert found.status == 200


async def test_what_waited_is_told_when_a_receiver_is_back(tmp_path: Path) -> None:
    # Whatever has failed would be tried again in an hour, but for the first that succeeds.
    policy = replace(HASTY, longest_pause=timedelta(hours=1), first_pause=timedelta(milliseconds=50), quiet_after=1)
    async with hooked(tmp_path, policy=policy) as house, receiving(answering(503)) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk(*(f"talk-{number}" for number in range(5)), times=2)
        await receiver.until(lambda it: len(it.requests) > 12)
        receiver.answer = acknowledge
        await receiver.until(lambda it: len(it.acknowledged) == 10)
        await settled(house, webhook.id, DeliveryState.DELIVERED, count=10)
        assert (await house.webhooks.get(ANNA.owner, webhook.id)).failing_since is None


async def test_whoever_asks_to_be_left_alone_is(tmp_path: Path) -> None:
    policy = replace(HASTY, longest_pause=timedelta(hours=1))
    async with hooked(tmp_path, policy=policy) as house, receiving(answering(429, retry_after="3600")) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk("one", "two", "three")

        async def is_quiet() -> bool:
            return (await house.webhooks.get(ANNA.owner, webhook.id)).quiet_until is not None

        await until(is_quiet)
        await house.talk("four", "five")
        await until(lambda: house.has_deliveries(webhook.id, 5))
        # Those that were under way when the first of them was refused.
        assert len(receiver.requests) <= 3


async def test_a_receiver_that_is_gone_is_not_called_again(house: Hooked) -> None:
    async with receiving(answering(410)) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk("talk")
        await until(lambda: house.is_disabled(webhook.id))
        await house.talk("talk")
        gone = await house.webhooks.get(ANNA.owner, webhook.id)
        assert gone.disabled_reason is DisabledReason.GONE
        (only,) = await house.deliveries(webhook.id)
        assert (only.state, only.status) == (DeliveryState.GIVEN_UP, 410)
        assert len(receiver.requests) == 1
    wanted = AuditFilter(act="webhook.disable")
    (record,) = await house.house.store.read(ANNA.owner, lambda tx: tx.audit.of_tenant(wanted, limit=9, after=None))
    assert (record.actor, record.deed.object) == (SERVICE, f"{webhook.id}/GONE")


async def test_a_webhook_that_only_fails_is_disabled_and_goes_on_when_it_is_enabled(tmp_path: Path) -> None:
    policy = replace(HASTY, give_up_after=timedelta(milliseconds=200))
    async with hooked(tmp_path, policy=policy) as house, receiving(answering(500)) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk("talk", times=2)
        await until(lambda: house.is_disabled(webhook.id))
        assert (await house.webhooks.get(ANNA.owner, webhook.id)).disabled_reason is DisabledReason.FAILING
        receiver.answer = acknowledge
        await house.webhooks.update(ANNA, webhook.id, WebhookWish(is_enabled=True))
        await settled(house, webhook.id, DeliveryState.DELIVERED, count=2)
        counted = Counter(request.id for request in receiver.acknowledged)
        assert list(counted.values()) == [1, 1]


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_while(house: Hooked, receiver: HookReceiver) -> None:
    webhook, first = await house.hook(receiver.url)
    second = (await house.webhooks.rotate(ANNA, webhook.id, timedelta(hours=1))).secret
    await house.webhooks.ping(ANNA, webhook.id)
    await receiver.until(lambda it: len(it.acknowledged) == 1)
    third = (await house.webhooks.rotate(ANNA, webhook.id, timedelta(0))).secret
    await house.webhooks.ping(ANNA, webhook.id)
    await receiver.until(lambda it: len(it.acknowledged) == 2)
    assert second is not None
    assert third is not None
    signed = [[each.is_signed_by(secret) for secret in (first, second, third)] for each in receiver.acknowledged]
    assert signed == [[True, True, False], [False, False, True]]
    assert receiver.acknowledged[0].told["type"] == "webhook.test"
    assert receiver.acknowledged[0].told["data"] == {"webhook_id": webhook.id}


async def test_a_delivery_is_made_again_under_its_id(house: Hooked, receiver: HookReceiver) -> None:
    webhook, _ = await house.hook(receiver.url, *ENDS)
    await house.talk("talk")
    (found,) = await settled(house, webhook.id, DeliveryState.DELIVERED)
    await house.webhooks.redeliver(ANNA, webhook.id, found.id)
    await receiver.until(lambda it: len(it.acknowledged) == 2)
    assert len({request.id for request in receiver.acknowledged}) == 1


async def test_what_would_wait_beyond_the_bound_is_dropped_and_counted(tmp_path: Path) -> None:
    async with hooked(tmp_path, policy=replace(HASTY, backlog=3)) as house, receiving(answering(500)) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk("talk", times=6)

        async def are_dropped() -> bool:
            return (await house.webhooks.get(ANNA.owner, webhook.id)).dropped == 3

        await until(are_dropped)
        assert len(await house.deliveries(webhook.id)) == 3


async def test_deliveries_go_with_their_conversation(house: Hooked) -> None:
    async with receiving(answering(500)) as receiver:
        webhook, _ = await house.hook(receiver.url, *ENDS)
        await house.talk("talk", "other")
        await receiver.until(lambda it: len({request.id for request in it.requests}) == 2)
        await house.house.threads.delete(ANNA, "talk")
        (left,) = await house.deliveries(webhook.id)
        state = await house.house.threads.state(ANNA.owner, "other")
        assert left.conversation_id == state.conversation.id


async def test_a_webhook_goes_with_its_deliveries_a_bounded_step_at_a_time(
    house: Hooked, receiver: HookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_cases, "_EMPTIED", 2)
    (webhook, _), (other, _) = [await house.hook(receiver.url) for _ in range(2)]
    for each in (webhook, webhook, webhook, webhook, webhook, other):
        await house.webhooks.ping(ANNA, each.id)
    await receiver.until(lambda it: len(it.acknowledged) == 6)
    monkeypatch.setattr(failpoints, "_ARMED", failpoints.parse("webhooks.emptied=raise"))
    with pytest.raises(failpoints.InjectedFault):
        await house.webhooks.delete(ANNA, webhook.id)
    assert await house.has_deliveries(webhook.id, 3)
    assert await house.is_disabled(webhook.id)
    await house.webhooks.delete(ANNA, webhook.id)
    with pytest.raises(WebhookNotFound):
        await house.webhooks.delete(ANNA, webhook.id)
    assert await house.has_deliveries(other.id, 1)
    assert not await house.is_disabled(other.id)


async def test_of_what_is_over_the_newest_is_kept(tmp_path: Path) -> None:
    async with hooked(tmp_path, policy=replace(HASTY, history=5)) as house, receiving() as receiver:
        webhook, _ = await house.hook(receiver.url)
        for _ in range(120):
            await house.webhooks.ping(ANNA, webhook.id)
        await receiver.until(lambda it: len(it.acknowledged) == 120)
        await settled(house, webhook.id, DeliveryState.DELIVERED)
        assert len(await house.deliveries(webhook.id)) < 120


async def test_no_secret_is_in_the_log_or_the_database(tmp_path: Path, receiver: HookReceiver) -> None:
    with capture_logs() as logs:
        async with hooked(tmp_path) as house:
            webhook, secret = await house.hook(receiver.url)
            await house.webhooks.ping(ANNA, webhook.id)
            await receiver.until(lambda it: len(it.acknowledged) == 1)
    for file in tmp_path.glob("house.db*"):  # noqa: ASYNC240 - nothing else goes on
        assert secret.removeprefix("whsec_").encode() not in file.read_bytes()
    assert secret not in str(logs)
