"""Which files there are, whoever owns them, for the service itself."""

from collections.abc import Collection

from sqlalchemy import select

from server.adapters.store import tables
from server.adapters.store.executor import Executor
from server.adapters.store.statement import Statement, parameter
from server.domain.ids import FileId

_c = tables.files.c

_IS_KNOWN = Statement(select(_c.id).where(_c.id == parameter(_c.id)))


async def known_files(executor: Executor, file_ids: Collection[FileId]) -> set[FileId]:
    """Those of the ids that are a file's."""
    return {file_id for file_id in file_ids if await executor.fetch(_IS_KNOWN, {"id": file_id})}
