"""The settings that say how much callers may ask for at a time, and what they come to."""

from typing import Any, Final, Protocol

from pydantic import Field

from server.domain.limits import Limits
from server.domain.rates import CallLimits

_CALLS: Final = CallLimits()


def _bound(default: int, description: str) -> Any:
    """A setting that is a number, 0 being any number."""
    return Field(default, ge=0, description=f"{description}; 0: any number")


REQUESTS_PER_KEY: Final = _bound(_CALLS.per_key, "Calls a minute with a key that has no limit of its own")
REQUESTS_PER_USER: Final = _bound(_CALLS.per_user, "Calls a minute of a person by tokens")
REQUESTS_PER_TENANT: Final = _bound(_CALLS.per_tenant, "Calls a minute of all keys and persons of a tenant")
FAILED_AUTHENTICATIONS: Final = _bound(_CALLS.failures_per_address, "Wrong credentials a minute from an address")
STREAMS_PER_KEY: Final = _bound(_CALLS.streams_per_caller, "Streams that a key, or a person, has open in a process")
RUNS_PER_KEY: Final = _bound(Limits().runs_per_caller, "Runs of a key, or a person, that are under way at a time")


class CallSettings(Protocol):
    """What of the settings concerns calls."""

    @property
    def requests_per_key(self) -> int: ...  # noqa: D102 - as described above
    @property
    def requests_per_user(self) -> int: ...  # noqa: D102
    @property
    def requests_per_tenant(self) -> int: ...  # noqa: D102
    @property
    def failed_authentications(self) -> int: ...  # noqa: D102
    @property
    def streams_per_key(self) -> int: ...  # noqa: D102


def call_limits(settings: CallSettings) -> CallLimits:
    """How often who may call."""
    return CallLimits(
        per_key=settings.requests_per_key,
        per_user=settings.requests_per_user,
        per_tenant=settings.requests_per_tenant,
        failures_per_address=settings.failed_authentications,
        streams_per_caller=settings.streams_per_key,
    )
