"""The audit: what is written to it, and who may read it."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from server.application.paging import Page, cut, list_position, list_token
from server.domain.audit import OPERATOR, Act, AuditFilter, AuditRecord, Deed
from server.domain.erasure import Erasure
from server.domain.ids import AuditId
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.ports.store import ListPosition, Store, SystemTransaction, Transaction
from server.ports.system import Clock, Ids


class Audit:
    """Makes records of deeds, in the transactions that do them."""

    def __init__(self, *, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    async def record(self, tx: Transaction, principal: Principal, deeds: Iterable[Deed] = ()) -> None:
        """Tell what a call does in this transaction; of a write in another's name that has nothing more to tell, which
        method it is."""
        in_anothers_name = principal.actor is not None and principal.write
        generic = [Deed(Act.IMPERSONATED_WRITE, principal.write)] if in_anothers_name else []
        for deed in chain(deeds, generic):
            await tx.audit.add(self.record_of(principal, deed))

    async def record_impersonation(self, tx: SystemTransaction, principal: Principal) -> None:
        """Tell that the principal's actor begins to act for its owner."""
        await tx.add_audit(self.record_of(principal, Deed(Act.IMPERSONATION_BEGAN, principal.owner.user)))

    async def record_concerning(self, tx: SystemTransaction, principal: Principal, user: Owner, deed: Deed) -> None:
        """Tell what a caller does with what is another user's of the tenant, or the caller's own."""
        await tx.add_audit(replace(self.record_of(principal, deed), subject=user.user))

    async def record_end_of_erasure(self, tx: SystemTransaction, erasure: Erasure) -> None:
        """Tell that nothing is left of a user but the pseudonym."""
        record_id, now = AuditId(str(self._ids.uuid())), self._clock.now()
        deed = Deed(Act.ERASURE_ENDED, erasure.id)
        tenant, by = erasure.user.tenant, erasure.requested_by
        await tx.add_audit(AuditRecord(record_id, tenant, by, erasure.pseudonym, deed, now))

    async def record_operation(self, tx: SystemTransaction, owner: Owner, deed: Deed) -> None:
        """Tell what the operator does with what is the owner's."""
        record_id, now = AuditId(str(self._ids.uuid())), self._clock.now()
        await tx.add_audit(AuditRecord(record_id, owner.tenant, OPERATOR, owner.user, deed, now))

    def record_of(self, principal: Principal, deed: Deed) -> AuditRecord:
        """The record of a deed that a caller does."""
        owner = principal.owner
        return AuditRecord(
            id=AuditId(str(self._ids.uuid())),
            tenant=owner.tenant,
            actor=principal.actor or owner.user,
            subject=owner.user,
            deed=deed,
            created_at=self._clock.now(),
            request_id=principal.request_id,
            key_id=principal.key_id,
        )


class AuditRecords:
    """Records for who may read them."""

    def __init__(self, *, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def of_tenant(
        self, owner: Owner, wanted: AuditFilter, *, page_size: int, page_token: str
    ) -> Page[AuditRecord]:
        """Records of the owner's tenant, the newest first. That the caller may see them is for the scope to say."""
        size, after = page_size or self._limits.default_page, list_position(_KIND, page_token)
        found = await self._store.read(owner, lambda tx: tx.audit.of_tenant(wanted, limit=size + 1, after=after))
        return cut(found, size, _token)

    async def on_behalf_of(
        self, owner: Owner, wanted: AuditFilter, *, page_size: int, page_token: str
    ) -> Page[AuditRecord]:
        """What others did in the owner's name, the newest first."""
        size, after = page_size or self._limits.default_page, list_position(_KIND, page_token)
        found = await self._store.read(
            owner, lambda tx: tx.audit.on_behalf_of_owner(wanted, limit=size + 1, after=after)
        )
        return cut(found, size, _token)


_KIND = "audit"


def _token(record: AuditRecord) -> str:
    return list_token(_KIND, ListPosition(time=record.created_at, id=record.id))
