"""Use cases of a tenant's webhooks. That the caller is an administrator is for the scope to say."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from server.application.paging import Page, cut, list_position, list_token
from server.application.repeats import Deeds, Repeats
from server.application.webhook_signing import WebhookSecrets
from server.domain.audit import Act, Deed
from server.domain.errors import FieldViolation, InvalidField
from server.domain.ids import DeliveryId, WebhookId
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.domain.webhook import (
    Delivery,
    DeliveryState,
    DisabledReason,
    Webhook,
    WebhookEvent,
    WebhookPolicy,
)
from server.domain.webhook_errors import (
    TooManyWebhooks,
    WebhookDeliveryNotFound,
    WebhookIsDisabled,
    WebhookNotFound,
)
from server.domain.webhook_url import objection
from server.failpoint import failpoint
from server.ports.store import ListPosition, Store, Transaction
from server.ports.system import Clock, Ids

_KIND: Final = "webhooks"
_EMPTIED: Final = 1000
"""Deliveries that go in one transaction: a webhook may have a hundred thousand, and other writes wait meanwhile."""


@dataclass(frozen=True, slots=True)
class WebhookWish:
    """What a webhook is to be; `None` leaves what is."""

    url: str | None = None
    events: tuple[WebhookEvent, ...] | None = None
    description: str | None = None
    is_enabled: bool | None = None
    include_content: bool | None = None

    def of(self, webhook: Webhook) -> Webhook:
        """The webhook as it is then. One that is enabled, or gets another URL, begins without failures."""
        changed = replace(
            webhook,
            url=webhook.url if self.url is None else self.url,
            events=webhook.events if self.events is None else self.events,
            description=webhook.description if self.description is None else self.description,
            include_content=webhook.include_content if self.include_content is None else self.include_content,
        )
        if changed.url != webhook.url:
            # Nothing is known of that one: not that it fails, nor that it wants to be left alone.
            changed = replace(changed, failures=0, failing_since=None, quiet_until=None)
        if self.is_enabled is None or self.is_enabled == webhook.is_enabled:
            return changed
        if not self.is_enabled:
            return replace(changed, disabled_reason=DisabledReason.BY_USER)
        return replace(changed, disabled_reason=None, failures=0, failing_since=None, quiet_until=None)


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A webhook, and its secret the first time."""

    webhook: Webhook
    secret: str | None


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    """A delivery that is due now."""

    webhook_id: WebhookId
    id: DeliveryId


@dataclass(frozen=True, slots=True)
class _Gone:
    id: WebhookId


class Webhooks:
    """Webhooks of a caller's tenant."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        repeats: Repeats,
        limits: Limits,
        policy: WebhookPolicy,
        secrets: WebhookSecrets,
        due: Callable[[], None],
    ) -> None:
        """`due` is called when something was queued."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._repeats = repeats
        self._limits = limits
        self._policy = policy
        self._secrets = secrets
        self._due = due

    async def create(self, principal: Principal, wish: WebhookWish) -> IssuedSecret:
        """Make a webhook. Raises `InvalidField`, `TooManyWebhooks`."""
        self._check(wish)
        now = self._clock.now()
        blank = Webhook(
            id=WebhookId(str(self._ids.uuid())),
            tenant=principal.owner.tenant,
            created_by=principal.owner.user,
            url="",
            created_at=now,
            updated_at=now,
        )

        async def unit(tx: Transaction) -> Webhook:
            if await tx.webhooks.lock_all() >= self._policy.most:
                raise TooManyWebhooks(self._policy.most)
            webhook = wish.of(blank)
            await tx.webhooks.add(webhook)
            return webhook

        done = await self._repeats.write(principal, Webhook, unit, deeds=_did(Act.WEBHOOK_CREATED))
        return self._issued(done.result, is_repeated=done.repeated)

    async def page(self, owner: Owner, *, page_size: int, page_token: str) -> Page[Webhook]:
        """Webhooks, the newest first. Raises `InvalidPageToken`."""
        size, after = page_size or self._limits.default_page, list_position(_KIND, page_token)
        found = await self._store.read(owner, lambda tx: tx.webhooks.page(limit=size + 1, after=after))
        return cut(found, size, lambda last: list_token(_KIND, ListPosition(time=last.created_at, id=last.id)))

    async def get(self, owner: Owner, webhook_id: WebhookId) -> Webhook:
        """A webhook. Raises `WebhookNotFound`."""
        return _there(await self._store.read(owner, lambda tx: tx.webhooks.get(webhook_id)), webhook_id)

    async def update(self, principal: Principal, webhook_id: WebhookId, wish: WebhookWish) -> Webhook:
        """Change a webhook. Raises `WebhookNotFound`, `InvalidField`."""
        self._check(wish)

        async def unit(tx: Transaction) -> Webhook:
            changed = wish.of(_there(await tx.webhooks.lock(webhook_id), webhook_id))
            changed = replace(changed, updated_at=max(changed.updated_at, self._clock.now()))
            await tx.webhooks.save(changed)
            return changed

        done = await self._repeats.write(principal, Webhook, unit, deeds=_did(Act.WEBHOOK_UPDATED))
        if not done.repeated:
            self._due()
        return done.result

    async def delete(self, principal: Principal, webhook_id: WebhookId) -> None:
        """Delete a webhook with all that is queued for it, that in steps. Raises `WebhookNotFound`."""
        while await self._emptied(principal, webhook_id):
            failpoint("webhooks.emptied")

        async def unit(tx: Transaction) -> _Gone:
            if not await tx.webhooks.remove(webhook_id):
                raise WebhookNotFound(webhook_id)
            return _Gone(webhook_id)

        await self._repeats.write(principal, _Gone, unit, deeds=lambda gone: [Deed(Act.WEBHOOK_DELETED, gone.id)])

    async def _emptied(self, principal: Principal, webhook_id: WebhookId) -> bool:
        """Delete some deliveries of a webhook that is to go and is told of nothing any more; returns whether there may
        be others. Leaves alone what a call that was made before has left."""

        async def unit(tx: Transaction) -> bool:
            key, now = principal.request_key, self._clock.now()
            if key is not None and await self._repeats.found(tx, key, now=now) is not None:
                return False
            webhook = _there(await tx.webhooks.lock(webhook_id), webhook_id)
            if webhook.is_enabled:
                await tx.webhooks.save(WebhookWish(is_enabled=False).of(webhook))
            return await tx.webhooks.empty(webhook_id, limit=_EMPTIED) == _EMPTIED

        return await self._store.write(principal.owner, unit)

    async def rotate(self, principal: Principal, webhook_id: WebhookId, overlap: timedelta) -> IssuedSecret:
        """Give a webhook another secret; the one before counts for the overlap, too. Raises `WebhookNotFound`."""

        async def unit(tx: Transaction) -> Webhook:
            webhook = _there(await tx.webhooks.lock(webhook_id), webhook_id)
            now = self._clock.now()
            rotated = replace(
                webhook,
                generation=webhook.generation + 1,
                previous_until=now + overlap if overlap else None,
                updated_at=max(webhook.updated_at, now),
            )
            await tx.webhooks.save(rotated)
            return rotated

        done = await self._repeats.write(principal, Webhook, unit, deeds=_did(Act.WEBHOOK_ROTATED))
        return self._issued(done.result, is_repeated=done.repeated)

    async def deliveries(
        self, owner: Owner, webhook_id: WebhookId, *, state: DeliveryState | None, page_size: int, page_token: str
    ) -> Page[Delivery]:
        """Deliveries, the newest first. Raises `WebhookNotFound`, `InvalidPageToken`."""
        kind = f"{_KIND}/{webhook_id}"
        size, after = page_size or self._limits.default_page, list_position(kind, page_token)

        async def unit(tx: Transaction) -> list[Delivery]:
            _there(await tx.webhooks.get(webhook_id), webhook_id)
            return await tx.webhooks.deliveries(webhook_id, state=state, limit=size + 1, after=after)

        found = await self._store.read(owner, unit)
        return cut(found, size, lambda last: list_token(kind, ListPosition(time=last.created_at, id=last.id)))

    async def redeliver(self, principal: Principal, webhook_id: WebhookId, delivery_id: DeliveryId) -> QueuedDelivery:
        """Have a delivery made again. Raises `WebhookNotFound`, `WebhookDeliveryNotFound`, `WebhookIsDisabled`."""

        async def unit(tx: Transaction) -> QueuedDelivery:
            await self._enabled(tx, webhook_id)
            delivery = await tx.webhooks.delivery(webhook_id, delivery_id)
            if delivery is None:
                raise WebhookDeliveryNotFound(delivery_id)
            await tx.webhooks.deliver_again(delivery, self._clock.now())
            return QueuedDelivery(webhook_id, delivery_id)

        def deeds(queued: QueuedDelivery) -> Iterable[Deed]:
            return [Deed(Act.WEBHOOK_REDELIVERED, f"{queued.webhook_id}/{queued.id}")]

        return await self._queued(principal, unit, deeds)

    async def ping(self, principal: Principal, webhook_id: WebhookId) -> QueuedDelivery:
        """Queue a test. Raises `WebhookNotFound`, `WebhookIsDisabled`."""

        async def unit(tx: Transaction) -> QueuedDelivery:
            await self._enabled(tx, webhook_id)
            now = self._clock.now()
            delivery = Delivery(
                id=DeliveryId(str(self._ids.uuid())),
                webhook_id=webhook_id,
                owner=tx.owner,
                event=WebhookEvent.TEST,
                occurred_at=now,
                created_at=now,
                is_ordered=False,
                next_try=now,
            )
            await tx.webhooks.add_test(delivery)
            return QueuedDelivery(webhook_id, delivery.id)

        return await self._queued(principal, unit, lambda _: ())

    async def _queued(
        self,
        principal: Principal,
        unit: Callable[[Transaction], Awaitable[QueuedDelivery]],
        deeds: Deeds[QueuedDelivery],
    ) -> QueuedDelivery:
        done = await self._repeats.write(principal, QueuedDelivery, unit, deeds=deeds)
        if not done.repeated:
            self._due()
        return done.result

    async def _enabled(self, tx: Transaction, webhook_id: WebhookId) -> None:
        if not _there(await tx.webhooks.lock(webhook_id), webhook_id).is_enabled:
            raise WebhookIsDisabled(webhook_id)

    def _check(self, wish: WebhookWish) -> None:
        if wish.url is not None and (said := objection(wish.url, allow_http=self._policy.allow_http)) is not None:
            raise InvalidField([FieldViolation("url", said)])

    def _issued(self, webhook: Webhook, *, is_repeated: bool) -> IssuedSecret:
        secret = None if is_repeated else self._secrets.shown(webhook.id, webhook.generation)
        return IssuedSecret(webhook, secret)


def _there(webhook: Webhook | None, webhook_id: WebhookId) -> Webhook:
    if webhook is None:
        raise WebhookNotFound(webhook_id)
    return webhook


def _did(act: Act) -> Callable[[Webhook], list[Deed]]:
    return lambda webhook: [Deed(act, webhook.id)]
