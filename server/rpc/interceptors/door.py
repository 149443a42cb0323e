"""Who gets in: recognises callers, unless their address failed at it too often, and counts their calls and streams."""

from collections.abc import Callable, Sequence
from typing import Final

from server.application.authentication import Authenticator
from server.application.failed_authentications import FailedAuthentications
from server.application.open_streams import OpenStreams
from server.application.rates import Rates
from server.domain.errors import KeyInvalid
from server.domain.identity_errors import TenantForbidden, TenantMissing
from server.domain.limit_errors import AuthenticationFailsTooOften, RateLimited
from server.domain.principal import Principal
from server.domain.rates import CallLimits
from server.ports.system import Clock
from server.rpc.interceptors.greeting import Greeting
from server.rpc.interceptors.metadata import Headers
from server.rpc.interceptors.peers import UNKNOWN

_WRONG: Final = (KeyInvalid, TenantForbidden, TenantMissing)
"""What is wrong with a credential that somebody looked at; none at all, and two, are told from what is sent."""


class Door:
    """Lets callers in, and tells each in its greeting where it stands."""

    def __init__(
        self, *, authenticator: Authenticator, rates: Rates, failures: FailedAuthentications, streams: OpenStreams
    ) -> None:
        self._authenticator = authenticator
        self._rates = rates
        self._failures = failures
        self._streams = streams

    async def enter(self, headers: Headers, address: str, greeting: Greeting) -> Principal:
        """The principal of a call, which is counted. Raises what `Authenticator.authenticate` raises,
        `AuthenticationFailsTooOften` and `RateLimited`."""
        caller = await self._recognised(headers.credentials, None if address == UNKNOWN else address, greeting)
        try:
            greeting.standing = self._rates.admit(caller)
        except RateLimited as refusal:
            greeting.standing = refusal.standing
            raise
        return await self._authenticator.acting_for(caller, headers.on_behalf_of(), request_id=greeting.request_id)

    def take_place(self, principal: Principal) -> Callable[[], None]:
        """A place for a stream; what is returned gives it back. Raises `TooManyStreams`."""
        return self._streams.take(principal)

    async def account_refusal(self, principal: Principal, method: str, error: Exception, *, request_id: str) -> None:
        """As `Authenticator.account_refusal`."""
        await self._authenticator.account_refusal(principal, method, error, request_id=request_id)

    async def _recognised(self, credentials: Sequence[str], address: str | None, greeting: Greeting) -> Principal:
        try:
            self._failures.check(address, credentials)
            try:
                caller = await self._authenticator.recognise(credentials)
            except _WRONG:
                greeting.standing = self._failures.failed(address, credentials)
                raise
        except AuthenticationFailsTooOften as refusal:
            greeting.standing = refusal.standing
            raise
        self._failures.succeeded(credentials)
        return caller


def door(authenticator: Authenticator, *, clock: Clock, limits: CallLimits, rates: Rates | None = None) -> Door:
    """The door of one process, with those limits. `rates`: those that are shared with others; `None`: its own."""
    return Door(
        authenticator=authenticator,
        rates=Rates(clock=clock, limits=limits) if rates is None else rates,  # an empty one counts as false
        failures=FailedAuthentications(clock=clock, limit=limits.failures_per_address),
        streams=OpenStreams(limits.streams_per_caller),
    )
