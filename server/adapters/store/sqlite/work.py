"""A unit of work in the form in which the threads of this store run it: a function of an executor."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from server.adapters.store.drive import drive
from server.adapters.store.sqlite.executor import SqliteExecutor
from server.adapters.store.system import StoredSystem
from server.adapters.store.transaction import OwnedTransaction
from server.domain.events import Event
from server.domain.principal import Owner
from server.ports.store import SystemTransaction, Transaction

Result = TypeVar("Result")


class Outcome(NamedTuple, Generic[Result]):
    """What a unit returned, and the events to publish once it is committed."""

    result: Result
    events: Sequence[Event]


Work = Callable[[SqliteExecutor], Outcome[Result]]


def owned_work(owner: Owner, unit: Callable[[Transaction], Awaitable[Result]]) -> Work[Result]:
    """A unit over an owner's transaction."""

    def work(executor: SqliteExecutor) -> Outcome[Result]:
        events: list[Event] = []
        transaction = OwnedTransaction(executor, owner, events.extend)
        return Outcome(drive(unit(transaction)), events)

    return work


def system_work(unit: Callable[[SystemTransaction], Awaitable[Result]]) -> Work[Result]:
    """A unit over the service's own transaction."""

    def work(executor: SqliteExecutor) -> Outcome[Result]:
        return Outcome(drive(unit(StoredSystem(executor))), ())

    return work
