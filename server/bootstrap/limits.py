"""What bounds callers, composed: the door of a process, and the exchange with others on the same database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from server.application.authentication import Authenticator
from server.application.rate_exchange import RateExchange
from server.application.rates import Rates
from server.config import Settings
from server.limit_settings import call_limits
from server.ports.store import Store
from server.ports.system import Clock, Ids
from server.rpc.interceptors.door import Door, door


@asynccontextmanager
async def open_door(
    settings: Settings, *, authenticator: Authenticator, store: Store, clock: Clock, ids: Ids, is_shared: bool
) -> AsyncIterator[Door]:
    """The door; `is_shared`: other processes may let in the same callers, and what they count is exchanged while it is
    open."""
    limits = call_limits(settings)
    rates = Rates(clock=clock, limits=limits, is_shared=is_shared)
    async with AsyncExitStack() as stack:
        if is_shared:
            await stack.enter_async_context(RateExchange(store=store, clock=clock, rates=rates, process=ids.uuid().hex))
        yield door(authenticator, clock=clock, limits=limits, rates=rates)
