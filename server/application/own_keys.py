"""Use cases of a caller's API keys. The caller is there in person: the method's rule says so."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from server.application.keys import KeyFactory, visible_prefix
from server.application.paging import Page, cut, list_position, list_token
from server.application.repeats import Done, Repeats
from server.domain.audit import Act, Deed
from server.domain.errors import FieldViolation, InvalidField
from server.domain.identity_errors import KeyEnded, KeyNotFound, ScopeExceeded
from server.domain.ids import KeyId
from server.domain.key import ApiKey, KeyEnvironment, KeyStyle, ShownKey, ending
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.domain.scope import beyond, unknown
from server.domain.spending import UNBOUNDED, Budget
from server.domain.spending_errors import BudgetTooLarge
from server.domain.usage import Total
from server.ports.store import ListPosition, Store, Transaction
from server.ports.system import Clock, Ids

_KIND = "keys"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is to be."""

    name: str
    scopes: frozenset[str]
    description: str = ""
    style: KeyStyle = KeyStyle.SECRET
    environment: KeyEnvironment = KeyEnvironment.LIVE
    requests_per_minute: int | None = None
    expires_at: datetime | None = None
    budget: Budget = UNBOUNDED


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """What is to change of a key; `None` leaves it."""

    name: str | None = None
    description: str | None = None
    scopes: frozenset[str] | None = None
    requests_per_minute: int | None = None
    """0: as often as any key."""
    expires_at: datetime | None = None
    budget: Budget | None = None

    def of(self, key: ApiKey) -> ApiKey:
        """The key as it is then."""
        limit = self.requests_per_minute
        return replace(
            key,
            name=key.name if self.name is None else self.name,
            description=key.description if self.description is None else self.description,
            scopes=key.scopes if self.scopes is None else self.scopes,
            requests_per_minute=key.requests_per_minute if limit is None else limit or None,
            expires_at=key.expires_at if self.expires_at is None else self.expires_at,
            budget=key.budget if self.budget is None else self.budget,
        )


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key, with its text the first time."""

    key: ShownKey
    text: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """How often a key was used."""

    key: ShownKey
    days: list[tuple[date, int]]
    """Requests by day …"""
    spent: list[tuple[date, Total]]
    """… and what models took."""


class OwnKeys:
    """Keys of a caller."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        factory: KeyFactory,
        limits: Limits,
        repeats: Repeats,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._factory = factory
        self._limits = limits
        self._repeats = repeats

    async def create(self, principal: Principal, wanted: NewKey) -> IssuedKey:
        """Make a key. Its text is returned by the call that makes it, and by no repetition: nothing that could give it
        again is stored. Raises `InvalidField`, `ScopeExceeded`, `BudgetTooLarge`."""
        now = self._clock.now()
        self._check(principal, wanted.scopes, wanted.expires_at, now)
        text = self._factory.make(wanted.style, wanted.environment)
        key = ApiKey(
            **self._identity(text),
            owner=principal.owner,
            style=wanted.style,
            scopes=wanted.scopes,
            created_at=now,
            expires_at=wanted.expires_at,
            environment=wanted.environment,
            name=wanted.name,
            description=wanted.description,
            requests_per_minute=wanted.requests_per_minute,
            budget=self._granted(principal, wanted.budget),
        )

        async def unit(tx: Transaction) -> ShownKey:
            await tx.keys.add(key)
            return key.shown

        return _issued(text, await self._repeats.write(principal, ShownKey, unit, deeds=_did(Act.KEY_CREATED)))

    async def page(self, owner: Owner, *, page_size: int, page_token: str) -> Page[ShownKey]:
        """Keys, the newest first."""
        size, after = page_size or self._limits.default_page, list_position(_KIND, page_token)
        found = await self._store.read(owner, lambda tx: tx.keys.page(limit=size + 1, after=after))
        shown = [key.shown for key in found]
        return cut(shown, size, lambda key: list_token(_KIND, ListPosition(time=key.created_at, id=key.id)))

    async def get(self, owner: Owner, key_id: KeyId) -> ShownKey:
        """A key. Raises `KeyNotFound`."""

        async def unit(tx: Transaction) -> ShownKey:
            return _there(await tx.keys.get(key_id), key_id).shown

        return await self._store.read(owner, unit)

    async def update(self, principal: Principal, key_id: KeyId, changes: KeyChanges) -> ShownKey:
        """Change a key. Raises `KeyNotFound`, `KeyEnded`, `InvalidField`, `ScopeExceeded`, `BudgetTooLarge`."""
        now = self._clock.now()
        self._check(principal, changes.scopes or (), changes.expires_at, now)
        if changes.budget is not None:
            changes = replace(changes, budget=self._granted(principal, changes.budget))

        async def unit(tx: Transaction) -> ShownKey:
            changed = changes.of(await self._changeable(tx, key_id, now))
            self._check(principal, changed.scopes, None, now)
            await tx.keys.save(changed)
            return changed.shown

        return (await self._repeats.write(principal, ShownKey, unit, deeds=_did(Act.KEY_UPDATED))).result

    async def rotate(self, principal: Principal, key_id: KeyId, overlap: timedelta) -> IssuedKey:
        """Put a new key in the place of one that ends after `overlap`; zero: now. As `create`; raises also
        `KeyNotFound`, `KeyEnded`."""
        now = self._clock.now()
        found = await self._store.read(principal.owner, lambda tx: tx.keys.get(key_id))
        known = _there(found, key_id)  # its style and environment, of which the text is made, never change
        text = self._factory.make(known.style, known.environment)
        identity = self._identity(text)

        async def unit(tx: Transaction) -> ShownKey:
            old = await self._changeable(tx, key_id, now)
            self._check(principal, old.scopes, None, now)
            new = replace(old, **identity, created_at=now, last_used_at=None, account=old.account or old.id)
            await tx.keys.add(new)
            await tx.keys.save(ending(old, now, overlap))
            return new.shown

        def deeds(_: ShownKey) -> Iterable[Deed]:
            return [Deed(Act.KEY_ROTATED, key_id)]

        return _issued(text, await self._repeats.write(principal, ShownKey, unit, deeds=deeds))

    async def revoke(self, principal: Principal, key_id: KeyId) -> ShownKey:
        """End a key for good; one that is revoked stays as it is. Raises `KeyNotFound`."""
        now = self._clock.now()

        async def unit(tx: Transaction) -> ShownKey:
            key = _there(await tx.keys.lock(key_id), key_id)
            revoked = replace(key, revoked_at=key.revoked_at or now)
            await tx.keys.save(revoked)
            return revoked.shown

        return (await self._repeats.write(principal, ShownKey, unit, deeds=_did(Act.KEY_REVOKED))).result

    async def usage(self, owner: Owner, key_id: KeyId, *, days: int) -> Usage:
        """Uses of the last `days` days, today included. Raises `KeyNotFound`."""
        since = self._clock.now().date() - timedelta(days=days - 1)

        async def unit(tx: Transaction) -> Usage:
            key = _there(await tx.keys.get(key_id), key_id)
            requests = await tx.keys.usage(key_id, since=since)
            return Usage(key.shown, requests, await tx.usage.key_days(key_id, since=since))

        return await self._store.read(owner, unit)

    async def _changeable(self, tx: Transaction, key_id: KeyId, now: datetime) -> ApiKey:
        key = _there(await tx.keys.lock(key_id), key_id)
        if not key.is_valid(now):
            raise KeyEnded(key_id)
        return key

    def _granted(self, principal: Principal, wanted: Budget) -> Budget:
        """The budget of a key that the caller makes: nothing beyond that of a key which the call itself presents, and
        as much where nothing is wanted in particular. Raises `BudgetTooLarge`."""
        own = principal.payer.budget
        if wanted.goes_beyond(own):
            raise BudgetTooLarge
        return own.narrowed(wanted)

    def _identity(self, text: str) -> dict[str, Any]:
        digest, prefix = self._factory.digest(text), visible_prefix(text)
        return {"id": KeyId(str(self._ids.uuid())), "digest": digest, "prefix": prefix}

    def _check(self, principal: Principal, scopes: Iterable[str], expires_at: datetime | None, now: datetime) -> None:
        scopes = list(scopes)
        violations = [FieldViolation("permissions", f"{scope!r} is no scope") for scope in unknown(scopes)]
        if expires_at is not None and expires_at <= now:
            violations.append(FieldViolation("expires_at", "must lie in the future"))
        if violations:
            raise InvalidField(violations)
        exceeding = beyond(scopes, principal.scopes)
        if exceeding:
            raise ScopeExceeded(exceeding[0])


def _there(key: ApiKey | None, key_id: KeyId) -> ApiKey:
    if key is None:
        raise KeyNotFound(key_id)
    return key


def _did(act: Act) -> Callable[[ShownKey], list[Deed]]:
    return lambda key: [Deed(act, key.id)]


def _issued(text: str, done: Done[ShownKey]) -> IssuedKey:
    return IssuedKey(done.result, None if done.repeated else text)
