"""Use cases of data rights besides the export: who asks for erasures, and how long a tenant keeps what."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.application.keys import KeyFactory
from server.application.paging import Page, cut, list_position, list_token
from server.application.repeats import Repeats
from server.domain.audit import Act, Deed
from server.domain.erasure import Erasure
from server.domain.errors import ScopeMissing
from server.domain.identity_errors import PersonNeeded
from server.domain.ids import ErasureId
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.domain.retention import Retention
from server.domain.rights_errors import ConfirmationMissing, ErasureNotFound
from server.domain.scope import DATA_SCOPE
from server.ports.store import ListPosition, Store, Transaction
from server.ports.system import Clock, Ids

_KIND: Final = "erasures"


@dataclass(frozen=True, slots=True)
class BegunErasure:
    """What is remembered of a request to erase somebody: nothing that tells whom."""

    id: ErasureId
    pseudonym: str
    requested_at: datetime


class Pseudonyms:
    """What stands for erased users: another one for each erasure, from which nobody without the pepper finds out the
    name; who has it can tell whether an erasure was that of a name."""

    def __init__(self, factory: KeyFactory) -> None:
        self._seal = factory.seal("pseudonym")

    def of(self, user: Owner, erasure_id: ErasureId) -> str:
        """The pseudonym of a user."""
        return f"erased:{self._seal.of(user.tenant, user.user, erasure_id)}"


class Erasures:
    """Erasures of users of the caller's tenant. The engine carries them out."""

    def __init__(
        self, *, store: Store, clock: Clock, ids: Ids, pseudonyms: Pseudonyms, repeats: Repeats, limits: Limits
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._pseudonyms = pseudonyms
        self._repeats = repeats
        self._limits = limits

    async def erase(self, principal: Principal, user: str, *, confirmation: str) -> BegunErasure:
        """Have a user erased; when that is under way, which erasure it is. When this returns the user can do nothing
        any more, but for calls that have begun and, for a second, keys.

        Raises `ConfirmationMissing`, `PersonNeeded` (to be erased takes oneself in person), `ScopeMissing` (others need
        `data:admin`), `UserNotFound`.
        """
        if confirmation != user:
            raise ConfirmationMissing
        _check(principal, user)
        erased, now = Owner(principal.owner.tenant, user), self._clock.now()
        erasure_id = ErasureId(str(self._ids.uuid()))
        wanted = Erasure(
            id=erasure_id,
            user=erased,
            pseudonym=self._pseudonyms.of(erased, erasure_id),
            requested_by=principal.user,
            requested_at=now,
        )

        async def unit(tx: Transaction) -> BegunErasure:
            begun = await tx.rights.begin_erasure(wanted)
            return BegunErasure(begun.id, begun.pseudonym, begun.requested_at)

        done = await self._repeats.write(
            principal, BegunErasure, unit, deeds=lambda begun: [Deed(Act.ERASURE_REQUESTED, begun.id)]
        )
        if not done.repeated:
            await self._store.write_system(lambda tx: tx.bar(erased, now))
        return done.result

    async def get(self, owner: Owner, erasure_id: str) -> Erasure:
        """How far an erasure has come. Raises `ErasureNotFound`."""
        found = await self._store.read(owner, lambda tx: tx.rights.erasure(ErasureId(erasure_id)))
        if found is None:
            raise ErasureNotFound(erasure_id)
        return found

    async def page(self, owner: Owner, *, page_size: int, page_token: str) -> Page[Erasure]:
        """Erasures of the tenant, the newest first. Raises `InvalidPageToken`."""
        size, after = page_size or self._limits.default_page, list_position(_KIND, page_token)
        found = await self._store.read(owner, lambda tx: tx.rights.erasures(limit=size + 1, after=after))
        return cut(found, size, lambda last: list_token(_KIND, ListPosition(time=last.requested_at, id=last.id)))

    async def retention(self, owner: Owner) -> Retention:
        """How long the tenant keeps what."""
        return await self._store.read(owner, lambda tx: tx.rights.retention())

    async def set_retention(self, principal: Principal, retention: Retention) -> Retention:
        """Say how long the tenant keeps what from now on. The next sweep goes by it."""

        async def unit(tx: Transaction) -> Retention:
            await tx.rights.set_retention(retention, now=self._clock.now())
            return retention

        return (await self._repeats.write(principal, Retention, unit, deeds=_told)).result


def _check(principal: Principal, user: str) -> None:
    """Whether the caller may erase a user."""
    if principal.has_scope(DATA_SCOPE):
        return
    if user != principal.owner.user or principal.actor is not None:
        raise ScopeMissing(DATA_SCOPE)
    if not principal.is_person:
        raise PersonNeeded


def _told(retention: Retention) -> list[Deed]:
    days = {
        "conversations": retention.conversation_days,
        "archived": retention.archived_days,
        "events": retention.event_days,
        "audit": retention.audit_days,
    }
    told = ", ".join(f"{what} {number} days" for what, number in days.items() if number is not None)
    return [Deed(Act.RETENTION_SET, told or "everything for ever")]
