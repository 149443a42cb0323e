"""Webhooks of the owner's tenant. See `ports.webhooks.Webhooks`.

Its statements are narrowed to the tenant, not to the owner; who may use them, the scope says.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.paging import LIMIT, list_parameters, listed_after
from server.adapters.store.scope import Scope
from server.adapters.store.statement import TENANT, Owned, owned_insert, parameter
from server.adapters.store.times import micros
from server.adapters.store.webhook_rows import (
    DELIVERY_COLUMNS,
    NOTHING_DUE,
    WEBHOOK_COLUMNS,
    delivery_of,
    said_of,
    seen_of,
    values_of,
    webhook_of,
)
from server.domain.ids import DeliveryId, WebhookId
from server.domain.webhook import Delivery, DeliveryState, Webhook
from server.domain.webhook_errors import WebhookNotFound
from server.ports.store import ListPosition

_table, _deliveries = tables.webhooks, tables.webhook_deliveries
_w, _d = _table.c, _deliveries.c
_ANY: Final = ""


def _of_tenant(table: Table) -> ColumnElement[bool]:
    return table.c[TENANT] == bindparam(TENANT)


_webhook = bindparam("webhook", type_=STRING)
_one = (_of_tenant(_table), _w.id == _webhook)
_of_webhook = (_of_tenant(_deliveries), _d.webhook_id == _webhook)
_now = bindparam("now", type_=BigInteger)
_selected: Any = select(*WEBHOOK_COLUMNS)

_COUNT = Owned(select(func.count()).select_from(_table).where(_of_tenant(_table)))
_ADD = owned_insert(_table)
_GET = Owned(_selected.where(*_one))
_LOCK = Owned(_selected.where(*_one).with_for_update())
_PAGE = Owned(
    _selected.where(_of_tenant(_table), listed_after(_w.created_at, _w.id))
    .order_by(_w.created_at.desc(), _w.id.desc())
    .limit(LIMIT)
)
_SAVED: Final = (
    *("url", "events", "description", "include_content", "updated_at", "generation", "previous_until"),
    *("enabled", "disabled_reason", "failures", "failing_since", "quiet_until"),
)
# Whatever was due while it was disabled is due at once.
_SAVE = Owned(
    update(_table)
    .where(*_one)
    .values(
        {name: parameter(_w[name], f"new_{name}") for name in _SAVED}
        | {"next_due": case((_w.next_due < _now, _w.next_due), else_=_now)}
    )
)
_some_deliveries = select(_d.id).where(*_of_webhook).limit(LIMIT)
_EMPTY = Owned(delete(_deliveries).where(_of_tenant(_deliveries), _d.id.in_(_some_deliveries)).returning(_d.id))
_REMOVE = Owned(delete(_table).where(*_one).returning(_w.id))
_ROUSE = Owned(update(_table).where(*_one).values(next_due=case((_w.next_due < _now, _w.next_due), else_=_now)))

_ADD_TEST = owned_insert(_deliveries)
_DELIVERY = Owned(select(*DELIVERY_COLUMNS).where(*_of_webhook, _d.id == bindparam("delivery", type_=STRING)))
_wanted_state = bindparam("wanted_state", type_=STRING)
_DELIVERIES = Owned(
    select(*DELIVERY_COLUMNS)
    .where(*_of_webhook, or_(_wanted_state == _ANY, _d.state == _wanted_state), listed_after(_d.created_at, _d.id))
    .order_by(_d.created_at.desc(), _d.id.desc())
    .limit(LIMIT)
)
_AGAIN = Owned(
    update(_deliveries)
    .where(*_of_webhook, _d.id == bindparam("delivery", type_=STRING))
    .values(
        state=literal_column(f"'{DeliveryState.PENDING}'"),
        ordered=bindparam("is_ordered", type_=BigInteger),
        attempts=bindparam("made", type_=BigInteger),
        next_try=_now,
        settled_at=null(),
    )
)


class StoredWebhooks:
    """See `ports.webhooks.Webhooks`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def lock_all(self) -> int:
        """How many there are."""
        await self._scope.lock_tenant_name("webhooks")
        (count,) = await self._scope.fetch_one(_COUNT) or (0,)
        return int(count)

    async def add(self, webhook: Webhook) -> None:
        """Store a new one."""
        await self._scope.fetch(
            _ADD,
            id=webhook.id,
            created_at=micros(webhook.created_at),
            dropped=webhook.dropped,
            next_due=NOTHING_DUE,
            lease_worker=None,
            lease_epoch=0,
            lease_until=0,
            **said_of(webhook),
            **seen_of(webhook),
        )

    async def get(self, webhook_id: WebhookId) -> Webhook | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, webhook=webhook_id)
        return None if row is None else webhook_of(row)

    async def lock(self, webhook_id: WebhookId) -> Webhook | None:
        """The one of that id, locked."""
        row = await self._scope.fetch_one(_LOCK, webhook=webhook_id)
        return None if row is None else webhook_of(row)

    async def page(self, *, limit: int, after: ListPosition | None) -> list[Webhook]:
        """The newest first."""
        return [webhook_of(row) for row in await self._scope.fetch(_PAGE, **list_parameters(limit, after))]

    async def save(self, webhook: Webhook) -> None:
        """Overwrite whatever may change."""
        said = {f"new_{name}": value for name, value in (said_of(webhook) | seen_of(webhook)).items()}
        await self._scope.fetch(_SAVE, webhook=webhook.id, now=micros(webhook.updated_at), **said)

    async def empty(self, webhook_id: WebhookId, *, limit: int) -> int:
        """Delete some of what is and was queued for it."""
        return len(await self._scope.fetch(_EMPTY, webhook=webhook_id, limit=limit))

    async def remove(self, webhook_id: WebhookId) -> bool:
        """Delete it with all that is left."""
        return await self._scope.fetch_one(_REMOVE, webhook=webhook_id) is not None

    async def add_test(self, delivery: Delivery) -> None:
        """Queue a delivery that belongs to no conversation. Raises `WebhookNotFound`."""
        if await self.get(delivery.webhook_id) is None:
            raise WebhookNotFound(delivery.webhook_id)
        await self._scope.fetch(_ADD_TEST, **values_of(delivery))
        await self._rouse(delivery.webhook_id, delivery.created_at)

    async def delivery(self, webhook_id: WebhookId, delivery_id: DeliveryId) -> Delivery | None:
        """A delivery of a webhook."""
        row = await self._scope.fetch_one(_DELIVERY, webhook=webhook_id, delivery=delivery_id)
        return None if row is None else delivery_of(row)

    async def deliveries(
        self, webhook_id: WebhookId, *, state: DeliveryState | None, limit: int, after: ListPosition | None
    ) -> list[Delivery]:
        """The newest first."""
        wanted = {"webhook": webhook_id, "wanted_state": state or _ANY, **list_parameters(limit, after)}
        return [delivery_of(row) for row in await self._scope.fetch(_DELIVERIES, **wanted)]

    async def deliver_again(self, delivery: Delivery, now: datetime) -> Delivery:
        """Have a delivery made again."""
        if delivery.state is DeliveryState.BEHIND:
            return delivery
        again = replace(delivery, state=DeliveryState.PENDING, next_try=now)
        if delivery.state is not DeliveryState.PENDING:
            again = replace(again, is_ordered=False, attempts=0)
        await self._scope.fetch(
            _AGAIN,
            webhook=delivery.webhook_id,
            delivery=delivery.id,
            is_ordered=int(again.is_ordered),
            made=again.attempts,
            now=micros(now),
        )
        await self._rouse(delivery.webhook_id, now)
        return again

    async def _rouse(self, webhook_id: WebhookId, now: datetime) -> None:
        await self._scope.fetch(_ROUSE, webhook=webhook_id, now=micros(now))
