"""Who is calling: turns credentials, and the user they speak for, into the principal of the call."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from server.application.audit import Audit
from server.application.credentials import presented
from server.application.known_keys import KnownKeys
from server.application.known_roles import KnownRoles
from server.application.refusals import Refusals
from server.domain.errors import FieldViolation, InvalidField, KeyInvalid, ScopeMissing
from server.domain.identity_errors import TenantForbidden, TenantMissing
from server.domain.ids import KeyId
from server.domain.key import ApiKey, KeyStyle
from server.domain.organization import ROLE_SCOPES, Member
from server.domain.person import LONGEST_NAME, Person, is_name, person_of
from server.domain.principal import Owner, Principal
from server.domain.scope import IMPERSONATE_SCOPE, SUBJECT_SCOPES, common
from server.ports.store import Store
from server.ports.system import Clock
from server.ports.user_tokens import UserTokens

ON_BEHALF_OF: Final = "x-on-behalf-of"
_KNOWN_SUBJECTS: Final = 16384
_IMPERSONATION_SECONDS: Final = 900.0
"""How often at most a process records that the same one acts for the same other."""


class Authenticator:
    """Recognises callers."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        keys: KnownKeys,
        audit: Audit,
        refusals: Refusals,
        tokens: UserTokens | None = None,
        tenants: Collection[str] = (),
    ) -> None:
        """`tokens`: without it no token counts. `tenants`: those that tokens may name; none: any, which comes into
        being with its first user."""
        self._store = store
        self._clock = clock
        self._keys = keys
        self._audit = audit
        self._refusals = refusals
        self._roles = KnownRoles(store=store, clock=clock)
        self._tokens = tokens
        self._tenants = frozenset(tenants)
        self._impersonated: dict[tuple[Owner, Owner, datetime, KeyId | None], float] = {}

    async def authenticate(
        self, credentials: Sequence[str], on_behalf_of: str | None, *, request_id: str = ""
    ) -> Principal:
        """The principal of a call. `on_behalf_of` names the user of the same tenant for whom it acts; `None`: its own.

        Raises `KeyMissing`, `KeyConflict`, `KeyInvalid`, `IssuerUnavailable`, `TenantMissing`, `TenantForbidden`,
        `ScopeMissing` (acting for another needs `users:impersonate`), `InvalidField` (nobody is named),
        `StoreUnavailable`.
        """
        return await self.acting_for(await self.recognise(credentials), on_behalf_of, request_id=request_id)

    async def recognise(self, credentials: Sequence[str]) -> Principal:
        """Whose the credentials are; as `authenticate`, for nobody else."""
        found = presented(credentials)
        if found.token is None:
            return _holder(await self._keys.valid(str(found.key)))
        key = None if found.key is None else await self._keys.valid(found.key)
        return await self._person(await self._verified(found.token), key)

    async def acting_for(self, principal: Principal, on_behalf_of: str | None, *, request_id: str = "") -> Principal:
        """The principal of a call of `principal`, by itself or for the user who is named; as `authenticate`."""
        if on_behalf_of is None:
            return principal
        return await self._impersonate(replace(principal, request_id=request_id), on_behalf_of)

    async def account_refusal(self, principal: Principal, method: str, error: Exception, *, request_id: str) -> None:
        """Have the audit know that a call of a method was refused, if it was for want of a right."""
        await self._refusals.call(replace(principal, request_id=request_id), method, error)

    async def _verified(self, token: str) -> Person:
        if self._tokens is None:
            raise KeyInvalid
        return person_of(await self._tokens.verified(token))

    async def _person(self, person: Person, key: ApiKey | None) -> Principal:
        """A person, in the tenant that the token or the publishable key names, with the rights that both give."""
        if key is not None and key.style is not KeyStyle.PUBLISHABLE:
            raise KeyInvalid
        tenant = person.tenant if key is None else key.owner.tenant
        if tenant is None:
            raise TenantMissing
        if person.tenant not in (None, tenant) or (key is None and self._tenants and tenant not in self._tenants):
            raise TenantForbidden
        owner = Owner(tenant, person.user)
        scopes = _permitted(await self._roles.of(owner), person.scopes)
        if key is None:
            return Principal(owner, scopes, None, is_person=True)
        return replace(_bearer(key), owner=owner, scopes=common(scopes, key.scopes), is_person=True)

    async def _impersonate(self, principal: Principal, on_behalf_of: str) -> Principal:
        """Act for another user, with what both may do; an empty name never falls back to the credential's user."""
        if not principal.has_scope(IMPERSONATE_SCOPE):
            error = ScopeMissing(IMPERSONATE_SCOPE)
            await self._refusals.impersonation(principal, on_behalf_of, error)
            raise error
        subject = Owner(tenant=principal.owner.tenant, user=_subject(on_behalf_of))
        member = await self._roles.of(subject)
        scopes = _permitted(member, common(principal.scopes, SUBJECT_SCOPES))
        acting = replace(principal, owner=subject, scopes=scopes, actor=principal.owner.user)
        await self._account(principal.owner, acting, since=member.created_at)
        return acting

    async def _account(self, actor: Owner, acting: Principal, *, since: datetime) -> None:
        """Have the audit know that somebody acts for another, before anything is shown or done: of what is only read
        nothing else tells. Once in a while is enough. Who is there `since` another moment is another one, though of
        the same name."""
        known, now = (actor, acting.owner, since, acting.key_id), self._clock.monotonic()
        seen = self._impersonated.pop(known, None)
        if seen is None or now - seen >= _IMPERSONATION_SECONDS:
            await self._store.write_system(lambda tx: self._audit.record_impersonation(tx, acting))
            seen = now
            if len(self._impersonated) >= _KNOWN_SUBJECTS:
                del self._impersonated[next(iter(self._impersonated))]
        self._impersonated[known] = seen


def _permitted(member: Member, scopes: frozenset[str]) -> frozenset[str]:
    """What of the scopes the user's role in the tenant permits; that of who has been removed permits nothing."""
    return common(scopes, ROLE_SCOPES[member.role]) if member.is_active else frozenset()


def _holder(key: ApiKey) -> Principal:
    """Whoever has a key acts as its user. A publishable key is no secret: it counts only together with a token."""
    if key.style is KeyStyle.PUBLISHABLE:
        raise KeyInvalid
    return _bearer(key)


def _bearer(key: ApiKey) -> Principal:
    """Who presents a key, and whatever goes by it."""
    return Principal(
        owner=key.owner,
        scopes=key.scopes,
        key_id=key.id,
        requests_per_minute=key.requests_per_minute,
        payer=key.payer,
    )


def _subject(on_behalf_of: str) -> str:
    """The user named. Raises `InvalidField` for nobody, everybody (`*`) and names that cannot be one."""
    user = on_behalf_of.strip()
    if not is_name(user):
        raise InvalidField([FieldViolation(ON_BEHALF_OF, f"must name one user, 1 to {LONGEST_NAME} characters")])
    return user
