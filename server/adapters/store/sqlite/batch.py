"""One transaction for many units: each in a savepoint of its own, all durable together or none."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from server.adapters.store.search_tables import INDEX_PENDING, IS_PENDING
from server.adapters.store.sqlite.connection import is_broken, primary_code, unavailable
from server.adapters.store.sqlite.executor import SqliteExecutor
from server.adapters.store.sqlite.patterns import SearchingConnection
from server.adapters.store.sqlite.work import Outcome, Work
from server.domain.errors import StoreUnavailable
from server.failpoint import failpoint

_log = structlog.get_logger(__name__)

Answer = Outcome[Any] | BaseException
"""What a unit comes to: its outcome, or what it is to raise."""


class BatchCommitter:
    """Owns the connection that writes. Used by one thread at a time."""

    def __init__(self, connect: Callable[[], SearchingConnection]) -> None:
        self._connect = connect
        self._connection: SearchingConnection | None = None

    def open(self) -> None:
        """Connect. Raises `StoreUnavailable`."""
        try:
            self._opened()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Disconnect; the next commit would connect again."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def commit(self, works: Sequence[Work[Any]]) -> list[Answer]:
        """Run the units in one transaction and commit it; one answer each, in order.

        A unit that raises is undone alone. When the file or the machine fails, at whatever point, nothing of any unit
        is stored and every answer is `StoreUnavailable`: also of units that raised on their own, for they may have
        seen what was not to be.
        """
        try:
            return self._commit(self._opened(), works)
        except sqlite3.Error as error:
            _log.warning("store_commit_failed", units=len(works), error=type(error).__name__, code=primary_code(error))
            self._recover(error)
            return [unavailable(error) for _ in works]
        except Exception:  # noqa: BLE001 - the boundary of the thread: it must live to answer the next batch
            _log.exception("store_writer_failed", units=len(works))
            self.close()
            return [StoreUnavailable() for _ in works]

    def _opened(self) -> SearchingConnection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _commit(self, connection: SearchingConnection, works: Sequence[Work[Any]]) -> list[Answer]:
        connection.execute("BEGIN IMMEDIATE")
        executor = SqliteExecutor(connection)
        answers = [_run(connection, executor, work) for work in works]
        _index_words(connection)
        has_events = any(isinstance(answer, Outcome) and answer.events for answer in answers)
        if has_events:
            failpoint("store.committing")
        connection.execute("COMMIT")
        if has_events:
            failpoint("store.unpublished")
        return answers

    def _recover(self, error: sqlite3.Error) -> None:
        """Leave no transaction open. After some errors SQLite has rolled back itself; asking it again would fail."""
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()
        if is_broken(error) and primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self.close()


def _index_words(connection: SearchingConnection) -> None:
    """Let the messages that the units stored be found once they are committed."""
    if connection.execute(IS_PENDING).fetchone()[0]:
        for statement in INDEX_PENDING:
            connection.execute(statement)


def _run(connection: SearchingConnection, executor: SqliteExecutor, work: Work[Any]) -> Answer:
    connection.execute("SAVEPOINT unit")
    executor.refused = None
    try:
        answer: Answer = work(executor)
    except BaseException as error:  # noqa: BLE001 - the boundary of a unit: whatever it raises is its caller's
        answer = error
    if executor.failure is not None:
        raise executor.failure
    if executor.refused is not None and isinstance(answer, Outcome):
        # As on PostgreSQL, where the transaction is lost: what the unit did after that cannot be what it meant.
        answer = executor.refused
    if not isinstance(answer, Outcome):
        connection.execute("ROLLBACK TO unit")
    connection.execute("RELEASE unit")
    return answer
