"""Webhooks: deliveries a second to 1 and 10 receivers, and what a webhook costs a send.

Receivers are HTTP servers on loopback in the same process, so a request's both ends are in the figure. A send is
`Runs.send` up to its acknowledgement, with a model that answers at once; sends with and without a webhook take turns.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from server.adapters.system import SystemClock, SystemIds
from server.application.webhooks import WebhookWish
from server.domain.ids import DeliveryId, WebhookId
from server.domain.webhook import Delivery, WebhookEvent
from tests.bench.figures import Figure, Report
from tests.integration.webhooks.hooked import HASTY, Hooked, hooked
from tests.support.hook_receiver import receiving
from tests.support.house import ANNA

DELIVERIES = 1000
SENDS = 100
ROUNDS = 4


def run() -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> Report:
    folders = {name: Path(tempfile.mkdtemp(dir=folder)) for name in ("1", "10", "sends")}
    rates = {count: await _rate(folders[str(count)], count) for count in (1, 10)}
    without, beside = await _sends(folders["sends"])
    return Report(
        "webhooks: deliveries and what they cost",
        [
            Figure(
                "10 receivers at once, against 1",
                rates[10] / rates[1],
                detail=f"{rates[10]:.0f}/s in all, {rates[1]:.0f}/s",
            ),
            Figure(
                "a send without a webhook, against one with",
                without / beside,
                detail=f"{without * 1e3:.2f} ms, {beside * 1e3:.2f} ms at the median",
            ),
        ],
        ["the second is what the mark costs, and the queueing and sending beside of what was sent before"],
    )


async def _rate(folder: Path, count: int) -> float:
    """Deliveries a second, in all."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(hooked(folder, policy=HASTY))
        receivers = [await stack.enter_async_context(receiving()) for _ in range(count)]
        hooks = [(await house.hook(receiver.url))[0] for receiver in receivers]
        began = time.perf_counter()
        for hook in hooks:
            await _queue(house, hook.id, DELIVERIES // count)
        for receiver in receivers:
            await receiver.until(lambda it: len(it.acknowledged) >= DELIVERIES // count, within=300)
        return DELIVERIES / (time.perf_counter() - began)


async def _queue(house: Hooked, webhook_id: WebhookId, count: int) -> None:
    ids, now = SystemIds(), SystemClock().now()
    rows = [
        Delivery(DeliveryId(str(ids.uuid())), webhook_id, ANNA.owner, WebhookEvent.TEST, now, now, is_ordered=False)
        for _ in range(count)
    ]
    await house.house.store.write_system(lambda tx: tx.webhook_queue.queue(rows, now))
    await house.house.store.write_system(lambda tx: tx.webhook_queue.rouse(webhook_id, now))


async def _sends(folder: Path) -> tuple[float, float]:
    """Seconds of a send at the median, without a webhook and with one."""
    async with hooked(folder) as house, receiving() as receiver:
        hook, _ = await house.hook(receiver.url)
        taken: dict[bool, list[float]] = {False: [], True: []}
        for number in range(ROUNDS * 2):
            is_hooked = bool(number % 2)
            await house.webhooks.update(ANNA, hook.id, WebhookWish(is_enabled=is_hooked))
            for each in range(SENDS):
                key = f"talk-{number}-{each}"
                await house.house.threads.create(ANNA, name="", key=key)
                began = time.perf_counter()
                run = await house.house.send("Hello", to=key)
                taken[is_hooked].append(time.perf_counter() - began)
                await house.house.ended(run)
        return median(taken[False]), median(taken[True])
