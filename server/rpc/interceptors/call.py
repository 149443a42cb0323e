"""The call that the running task serves."""

from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from server.domain.principal import Owner, Principal
from server.rpc.interceptors.greeting import Greeting
from server.rpc.interceptors.peers import UNKNOWN


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a call beyond its request."""

    greeting: Greeting
    principal: Principal | None
    """`None` in methods that need no credential."""
    address: str = UNKNOWN
    """IP address of whoever calls, without a port: the one behind proxies and gateways that are trusted to name it."""


_CURRENT: ContextVar[Call] = ContextVar("parley_call")


def enter(call: Call) -> None:
    """Make `call` the current one of the running task, until it serves another."""
    _CURRENT.set(call)


async def greet(context: Any, *more: tuple[str, str]) -> None:
    """Send the call's initial metadata with what a raw stream says of its content. The pipeline greets for all other
    methods."""
    await _CURRENT.get().greeting.send(context, *more)


def principal() -> Principal:
    """Who makes the current call.

    A stream asks before it yields for the first time: in process, the reader's task may serve other calls between two
    items. Raises `LookupError` outside a call and in methods that need no credential.
    """
    found = _CURRENT.get().principal
    if found is None:
        raise LookupError("the method is declared public: nobody in particular calls it")
    return found


def address() -> str:
    """From which IP address the current call comes; see `Call.address`. Raises `LookupError` outside a call."""
    return _CURRENT.get().address


def owner() -> Owner:
    """On whose behalf the current call acts; as `principal`."""
    return principal().owner


def add_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: whatever is logged while serving a call bears its request id."""
    call = _CURRENT.get(None)
    if call is not None:
        event.setdefault("request_id", call.greeting.request_id)
    return event
