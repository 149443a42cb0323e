"""Who recognises callers: keys of the store and, where the settings name an issuer, tokens of people.

What reads tokens is imported where there is an issuer; others start without it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from server.address import is_loopback_url
from server.application.audit import Audit
from server.application.authentication import Authenticator
from server.application.key_uses import KeyUses
from server.application.keys import KeyFactory
from server.application.known_keys import KnownKeys
from server.application.refusals import Refusals
from server.config import Settings
from server.ports.store import Store
from server.ports.system import Clock, Ids
from server.ports.user_tokens import UserTokens

if TYPE_CHECKING:
    from server.adapters.identity.key_set import KeySet


@asynccontextmanager
async def open_authenticator(
    settings: Settings, *, store: Store, clock: Clock, ids: Ids, factory: KeyFactory
) -> AsyncIterator[Authenticator]:
    """The authenticator; while it is open, the issuer's keys are fetched as they are needed. An issuer that is away
    keeps nothing from starting."""
    async with AsyncExitStack() as stack:
        uses = await stack.enter_async_context(KeyUses(store=store, clock=clock))
        audit = Audit(clock=clock, ids=ids)
        refusals = await stack.enter_async_context(Refusals(store=store, clock=clock, audit=audit))
        yield Authenticator(
            store=store,
            clock=clock,
            keys=KnownKeys(store=store, clock=clock, factory=factory, uses=uses),
            audit=audit,
            refusals=refusals,
            tokens=await _verifier(settings, clock, stack),
            tenants=settings.jwt_tenants,
        )


async def _verifier(settings: Settings, clock: Clock, stack: AsyncExitStack) -> UserTokens | None:
    if settings.jwt_issuer is None or settings.jwt_audience is None:
        return None
    from server.adapters.identity.verifier import Expected, TokenVerifier

    leeway = timedelta(seconds=settings.jwt_leeway_seconds)
    secret = settings.jwt_secret
    return TokenVerifier(
        expected=Expected(issuer=settings.jwt_issuer, audience=settings.jwt_audience, leeway=leeway),
        clock=clock,
        key_set=await _key_set(settings, clock, stack),
        secret=None if secret is None else secret.get_secret_value().encode(),
    )


async def _key_set(settings: Settings, clock: Clock, stack: AsyncExitStack) -> "KeySet | None":
    url = settings.jwt_jwks_url
    if url is None:
        return None
    from server.adapters.identity.key_set import KeySet

    max_age = timedelta(seconds=settings.jwt_jwks_seconds)
    return await stack.enter_async_context(
        KeySet(url, clock=clock, trust_env=not is_loopback_url(url), max_age=max_age)
    )
