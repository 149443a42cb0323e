"""Writes that may be made again: the same call a second time is answered as the first was and changes nothing."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from server.application.audit import Audit
from server.domain.audit import Deed
from server.domain.errors import RequestIdReused
from server.domain.ids import ConversationId
from server.domain.limits import Limits
from server.domain.principal import Principal, RequestKey
from server.ports.store import RememberedRequest, Store, Transaction
from server.ports.system import Clock

Result = TypeVar("Result")
Deeds = Callable[[Result], Iterable[Deed]]
"""What the audit is told of a write that came to that result."""


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """What a write came to; `repeated`: it was done before, and nothing of it is left to do."""

    result: Result
    repeated: bool = False


class Repeats:
    """Binds the mark of a call to its result, in the transaction of its effect and for as long as the limits say. Tells
    the audit what was done, in the same transaction and once."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, audit: Audit) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._audit = audit

    async def write(
        self,
        principal: Principal,
        result: type[Result],
        work: Callable[[Transaction], Awaitable[Result]],
        *,
        of: Callable[[Result], ConversationId] | None = None,
        keep: Callable[[Result], Result] | None = None,
        deeds: Deeds[Result] | None = None,
    ) -> Done[Result]:
        """Do a unit of work once for all calls with the same mark; each time, if the call bears none.

        `result` is the dataclass that `work` returns; the reply must follow from it and the request alone. One that
        says anything of a conversation names it by `of`: it is forgotten when that is deleted, and the call is a new
        one then. `keep` makes what is remembered of a result, when that need not be all. `deeds` is what the audit is
        told; of a write in another's name it is told in any case. Raises `RequestIdReused` when the mark stands for
        another request, and what `work` and `Store.write` raise.
        """
        key = principal.request_key

        async def carried_out(tx: Transaction) -> Result:
            done = await work(tx)
            await self._audit.record(tx, principal, () if deeds is None else deeds(done))
            return done

        async def unit(tx: Transaction) -> Done[Result]:
            if key is None:
                return Done(await carried_out(tx))
            now = self._clock.now()
            if await self.found(tx, key, now=now) is not None:
                return Done(await tx.requests.recall(key.id, result), repeated=True)
            done = await carried_out(tx)
            await tx.requests.remember(
                key.id,
                RememberedRequest(key.fingerprint),
                now=now,
                result=keep(done) if keep else done,
                conversation_id=of(done) if of else None,
            )
            return Done(done)

        return await self._store.write(principal.owner, unit)

    async def account(self, tx: Transaction, principal: Principal, deeds: Iterable[Deed] = ()) -> None:
        """Tell the audit of a write that is done elsewhere, as `write` does of its own; once, in its transaction."""
        await self._audit.record(tx, principal, deeds)

    async def found(self, tx: Transaction, key: RequestKey, *, now: datetime) -> RememberedRequest | None:
        """What the mark stands for already, if anything. Raises `RequestIdReused`."""
        remembered = await tx.requests.find(key.id, not_before=now - self._limits.idempotency_retention)
        if remembered is not None and remembered.fingerprint != key.fingerprint:
            raise RequestIdReused(key.id)
        return remembered
