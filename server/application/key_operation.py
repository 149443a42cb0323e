"""Keys of the whole service, for whoever operates it. No caller of the APIs gets here."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta

from server.application.audit import Audit
from server.application.keys import KeyFactory, visible_prefix
from server.domain.audit import Act, Deed
from server.domain.ids import KeyId
from server.domain.key import ApiKey, KeyEnvironment, KeyStyle, ending
from server.domain.principal import Owner
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock, Ids

Keyring = list[ApiKey]
KeyUsage = list[tuple[ApiKey, list[tuple[date, int]]]]


class Keys:
    """Keys of every user. What is done leaves a record in the audit of the key's tenant, by the operator."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, factory: KeyFactory, audit: Audit) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._factory = factory
        self._audit = audit

    async def create(
        self,
        owner: Owner,
        *,
        scopes: Collection[str],
        style: KeyStyle = KeyStyle.SECRET,
        environment: KeyEnvironment = KeyEnvironment.LIVE,
        expires_at: datetime | None = None,
        name: str = "",
        description: str = "",
        requests_per_minute: int | None = None,
    ) -> tuple[ApiKey, str]:
        """Store a new key; returns it with its text, which cannot be had again.

        Tenant, user, the tenant's default organization and the user's membership come into being with it.
        """
        text = self._factory.make(style, environment)
        now = self._clock.now()
        key = ApiKey(
            id=KeyId(str(self._ids.uuid())),
            owner=owner,
            digest=self._factory.digest(text),
            prefix=visible_prefix(text),
            style=style,
            scopes=frozenset(scopes),
            created_at=now,
            expires_at=expires_at,
            environment=environment,
            name=name,
            description=description,
            requests_per_minute=requests_per_minute,
        )

        async def unit(tx: SystemTransaction) -> None:
            await tx.provision(owner, now)
            await tx.add_key(key)
            await self._audit.record_operation(tx, owner, Deed(Act.KEY_CREATED, key.id))

        await self._store.write_system(unit)
        return key, text

    async def list(self) -> Keyring:
        """All keys, the oldest first, revoked and expired ones included."""
        return await self._store.read_system(lambda tx: tx.keys())

    async def revoke(self, name: str) -> int:
        """Revoke the key of that id, visible prefix or whole text; returns how many were valid until now: 0 when there
        is none, more than 1 only should two keys share a prefix. Running servers refuse it within a second."""
        now = self._clock.now()

        async def unit(tx: SystemTransaction) -> int:
            revoked = 0
            for key in await self._named(tx, name):
                if await tx.revoke_key(key.id, now):
                    await self._audit.record_operation(tx, key.owner, Deed(Act.KEY_REVOKED, key.id))
                    revoked += 1
            return revoked

        return await self._store.write_system(unit)

    async def rotate(self, name: str, overlap: timedelta) -> tuple[ApiKey, str] | None:
        """Put a new key in the place of the one valid key of that name, which ends after `overlap`; zero: now. Returns
        the new one with its text; `None` unless exactly one valid key is so named."""
        now, key_id = self._clock.now(), KeyId(str(self._ids.uuid()))
        valid = [key for key in await self._store.read_system(lambda tx: self._named(tx, name)) if key.is_valid(now)]
        if len(valid) != 1:
            return None
        old = valid[0]
        text = self._factory.make(old.style, old.environment)
        new = replace(
            old,
            id=key_id,
            digest=self._factory.digest(text),
            prefix=visible_prefix(text),
            created_at=now,
            last_used_at=None,
            account=old.account or old.id,
        )

        async def unit(tx: SystemTransaction) -> None:
            await tx.add_key(new)
            await tx.save_key(ending(old, now, overlap))
            await self._audit.record_operation(tx, old.owner, Deed(Act.KEY_ROTATED, old.id))

        await self._store.write_system(unit)
        return new, text

    async def usage(self, name: str, *, days: int) -> KeyUsage:
        """Uses of the keys of that name in the last `days` days, today included."""
        since = self._clock.now().date() - timedelta(days=days - 1)

        async def unit(tx: SystemTransaction) -> KeyUsage:
            return [(key, await tx.key_usage(key.id, since=since)) for key in await self._named(tx, name)]

        return await self._store.read_system(unit)

    async def _named(self, tx: SystemTransaction, name: str) -> Keyring:
        """The keys of that id, prefix or text."""
        digest = self._factory.digest(name)
        return [key for key in await tx.keys() if name in (key.id, key.prefix) or key.digest == digest]
