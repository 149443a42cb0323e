"""Whether whoever was let in once may still do something: asked of what goes on long after the call that began it."""

from server.domain.organization import ROLE_SCOPES, Member
from server.domain.principal import Owner, Principal
from server.domain.scope import IMPERSONATE_SCOPE, permits
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock


class Standing:
    """Looks anew at keys, members and roles. A person's token is not looked at again: it was good for the call that it
    came with, and tokens are short-lived."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def holds(self, principal: Principal, scope: str) -> bool:
        """Whether a call of the principal that needs `scope` would be let in now. Raises `StoreUnavailable`."""

        async def unit(tx: SystemTransaction) -> bool:
            if not await self._key_permits(tx, principal, scope):
                return False
            if not _permits(await tx.member(principal.owner), scope):
                return False
            if principal.actor is None:
                return True
            return _permits(await tx.member(Owner(principal.owner.tenant, principal.actor)), IMPERSONATE_SCOPE)

        return await self._store.read_system(unit)

    async def _key_permits(self, tx: SystemTransaction, principal: Principal, scope: str) -> bool:
        if principal.key_id is None:
            return True
        key = await tx.key_by_id(principal.key_id)
        needed = [scope] if principal.actor is None else [scope, IMPERSONATE_SCOPE]
        return key is not None and key.is_valid(self._clock.now()) and all(permits(key.scopes, each) for each in needed)


def _permits(member: Member | None, scope: str) -> bool:
    return member is not None and member.is_active and permits(ROLE_SCOPES[member.role], scope)
