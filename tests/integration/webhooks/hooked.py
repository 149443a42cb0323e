"""A house whose runs webhooks are told of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from server.adapters.egress.addresses import Resolve, resolve
from server.adapters.system import SystemClock, SystemIds
from server.adapters.webhooks.sender import HttpWebhookSender
from server.application.audit import Audit
from server.application.repeats import Repeats
from server.application.webhook_signing import WebhookSecrets
from server.application.webhooks import Webhooks, WebhookWish
from server.bootstrap.webhooks import opened_webhooks
from server.domain.ids import WebhookId
from server.domain.webhook import Delivery, Webhook, WebhookEvent, WebhookPolicy
from server.ports.store import Store
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.scripted_provider import ScriptedProvider, usage

HASTY = replace(
    WebhookPolicy(),
    allow_http=True,
    allow_private=True,
    timeout=timedelta(seconds=20),
    attempts=1000,
    first_pause=timedelta(milliseconds=5),
    longest_pause=timedelta(milliseconds=20),
    longest_quiet=timedelta(milliseconds=20),
    look=timedelta(milliseconds=20),
)
SECRETS = WebhookSecrets(bytes(range(32)))


@dataclass(frozen=True)
class Hooked:
    """A house and its webhooks."""

    house: House
    webhooks: Webhooks

    async def hook(self, url: str, *events: WebhookEvent, include_content: bool = False) -> tuple[Webhook, str]:
        """A new webhook, and its secret."""
        issued = await self.webhooks.create(ANNA, WebhookWish(url=url, events=events, include_content=include_content))
        assert issued.secret is not None
        return issued.webhook, issued.secret

    async def deliveries(self, webhook_id: WebhookId) -> list[Delivery]:
        """What was and is to be sent, the oldest first."""
        page = await self.webhooks.deliveries(ANNA.owner, webhook_id, state=None, page_size=1000, page_token="")
        return page.items[::-1]

    async def has_deliveries(self, webhook_id: WebhookId, count: int) -> bool:
        """Whether there are so many."""
        return len(await self.deliveries(webhook_id)) == count

    async def is_disabled(self, webhook_id: WebhookId) -> bool:
        """Whether nothing is sent to it any more."""
        return not (await self.webhooks.get(ANNA.owner, webhook_id)).is_enabled

    async def _open(self, talk: str) -> None:
        if await self.house.store.read(ANNA.owner, lambda tx: tx.conversations.get(talk)) is None:
            await self.house.threads.create(ANNA, name="A talk", key=talk)

    async def talk(self, *talks: str, times: int = 1) -> None:
        """Have so many runs in each conversation, one after the other in each."""

        async def runs(talk: str) -> None:
            await self._open(talk)
            for number in range(times):
                await self.house.ended(await self.house.send(f"Say {number}", to=talk))

        await asyncio.gather(*map(runs, talks))


@asynccontextmanager
async def hooked(
    folder: Path,
    *,
    policy: WebhookPolicy = HASTY,
    url: str | None = None,
    resolver: Resolve = resolve,
) -> AsyncIterator[Hooked]:
    """Open a house over the database in `folder` (or at `url`) and serve its webhooks."""
    untold = asyncio.Event()
    provider = ScriptedProvider(default=("Hello", " there", usage(3, 2)))
    async with (
        open_house(folder, provider, url=url, stored=untold.set) as house,
        serving(house.store, policy=policy, resolver=resolver, wake=untold) as webhooks,
    ):
        await house.threads.create(ANNA, name="Talk", key="talk")
        yield Hooked(house, webhooks)


@asynccontextmanager
async def serving(
    store: Store, *, policy: WebhookPolicy = HASTY, resolver: Resolve = resolve, wake: asyncio.Event | None = None
) -> AsyncIterator[Webhooks]:
    """Serve the webhooks of a store."""
    clock, ids = SystemClock(), SystemIds()
    async with opened_webhooks(
        policy,
        store=store,
        clock=clock,
        ids=ids,
        limits=QUICK,
        secrets=SECRETS,
        wake=wake or asyncio.Event(),
        sender=HttpWebhookSender(policy, resolver=resolver),
    ) as due:
        yield Webhooks(
            store=store,
            clock=clock,
            ids=ids,
            repeats=Repeats(store=store, clock=clock, limits=QUICK, audit=Audit(clock=clock, ids=ids)),
            limits=QUICK,
            policy=policy,
            secrets=SECRETS,
            due=due,
        )
