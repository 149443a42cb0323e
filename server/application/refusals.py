"""What callers were refused: told to the audit, each at first, and counted once somebody does nothing else."""

from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

import structlog

from server.application.audit import Audit
from server.domain.audit import REFUSED, Act, AuditRecord, Deed
from server.domain.errors import (
    ConversationForbidden,
    NotAMember,
    ParleyError,
    RoleMissing,
    ScopeMissing,
    StoreUnavailable,
)
from server.domain.identity_errors import KeyNotFound, PersonNeeded, ScopeExceeded
from server.domain.ids import KeyId
from server.domain.person import is_name
from server.domain.principal import Principal
from server.domain.tool_errors import ToolForbidden
from server.ports.store import Store
from server.ports.system import Clock
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

WINDOW_SECONDS: Final = 60.0
EACH: Final = 10
"""So many refusals of one caller and window have a record each; one more record counts the others."""
MOST_CALLERS: Final = 4096
_RELEVANT: Final = (
    *(ScopeMissing, ScopeExceeded, PersonNeeded, KeyNotFound, RoleMissing, NotAMember),
    *(ConversationForbidden, ToolForbidden),
)
_LONGEST_OBJECT: Final = 255
"""As long as the audit may be asked for."""

Caller = tuple[str, str, KeyId | None]
"""Tenant, acting user and key."""


@dataclass(slots=True)
class _Window:
    """What was refused to one caller lately."""

    since: float
    told: int = 0
    untold: int = 0
    last: AuditRecord | None = None
    """The last one that has no record of its own."""


class Refusals:
    """Entered with `async with`, it writes the counts of windows that are over every so often, and the rest as it is
    left. What was only counted when a process is killed is not told."""

    def __init__(self, *, store: Store, clock: Clock, audit: Audit) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit
        self._windows: dict[Caller, _Window] = {}
        self._tasks = OwnTasks()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.create_task(self._write_now_and_then())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)
        await self.write(everything=True)

    async def impersonation(self, principal: Principal, subject: str, error: ParleyError) -> None:
        """The caller may not act for others, and wanted to for `subject`; what names nobody is not kept."""
        await self._tell(principal, Deed(Act.IMPERSONATION_BEGAN, subject if is_name(subject) else ""), error)

    async def call(self, principal: Principal, method: str, error: Exception) -> None:
        """The caller's call of the method ended so: told if it is because it was not for them. A key that the error
        names is told with it."""
        if not isinstance(error, _RELEVANT):
            return
        named = error.metadata.get("id") if isinstance(error, KeyNotFound) else None
        target = f"{method}/{named}" if named else method
        await self._tell(principal, Deed(Act.PERMISSION_USED, target[:_LONGEST_OBJECT]), error)

    async def write(self, *, everything: bool = False) -> None:
        """Forget windows that are over, or all, after telling what they have counted. A store that is away is asked
        again the next time."""
        now = self._clock.monotonic()
        for caller, window in list(self._windows.items()):
            if (everything or now - window.since >= WINDOW_SECONDS) and self._windows.get(caller) is window:
                del self._windows[caller]
                if window.last is not None and not await self._stored(_counted(window.last, window.untold)):
                    self._windows.setdefault(caller, window)

    async def _tell(self, principal: Principal, deed: Deed, error: ParleyError) -> None:
        record = replace(self._audit.record_of(principal, deed), outcome=REFUSED, reason=error.reason)
        window = await self._window((principal.owner.tenant, principal.user, principal.key_id))
        if window.told < EACH:
            window.told += 1
            await self._stored(record)
        else:
            window.untold += 1
            window.last = record

    async def _window(self, caller: Caller) -> _Window:
        window = self._windows.get(caller)
        if window is None or self._clock.monotonic() - window.since >= WINDOW_SECONDS:
            # Also when nobody is left out: as many callers as that are not refused in a minute by mistake.
            await self.write(everything=len(self._windows) >= MOST_CALLERS)
            window = self._windows.setdefault(caller, _Window(self._clock.monotonic()))
        return window

    async def _stored(self, record: AuditRecord) -> bool:
        """Store a record; a store that is away refuses nobody less."""
        try:
            await self._store.write_system(lambda tx: tx.add_audit(record))
        except StoreUnavailable:
            _log.warning("a refusal is not in the audit", reason=record.reason, request_id=record.request_id)
            return False
        return True

    async def _write_now_and_then(self) -> None:
        while True:
            await self._clock.sleep(WINDOW_SECONDS)
            await self.write()


def _counted(last: AuditRecord, times: int) -> AuditRecord:
    """One record for all that have none; it tells of the last, and how many they are."""
    return replace(last, times=times)
