"""What the service itself looks up of users' files, for callers who show a signature instead of a credential."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Table, delete, select

from server.adapters.store import tables
from server.adapters.store.executor import Executor
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.storage import ANY_SIZE, tags_of
from server.adapters.store.times import micros, moment
from server.domain.ids import FileId, FolderId, UploadId
from server.domain.principal import Owner
from server.domain.storage import UploadGrant

_g = tables.upload_grants.c
_s = tables.stored_files.c

_TAKE = Statement(
    delete(tables.upload_grants)
    .where(_g.id == parameter(_g.id), _g.expires_at > parameter(_g.expires_at))
    .returning(
        *(_g.tenant, _g.owner, _g.id, _g.folder_id, _g.name, _g.declared_type, _g.size, _g.sha256, _g.tags),
        *(_g.created_at, _g.expires_at),
    )
)
_OWNER = Statement(select(_s.tenant, _s.owner).where(_s.id == parameter(_s.id)))


def _known(table: Table) -> Statement:
    return Statement(select(table.c.id).where(table.c.id == parameter(table.c.id)))


_KNOWN_STORED = _known(tables.stored_files)
_KNOWN_OF_CONVERSATIONS = _known(tables.files)


async def take_grant(executor: Executor, upload_id: UploadId, now: datetime) -> tuple[Owner, UploadGrant] | None:
    """Take a leave to upload away, for whoever uses it now."""
    rows = await executor.fetch(_TAKE, {"id": upload_id, "expires_at": micros(now)})
    if not rows:
        return None
    tenant, owner, identity, folder_id, name, declared, size, sha256, tags, created, expires = rows[0]
    grant = UploadGrant(
        id=UploadId(identity),
        folder_id=FolderId(folder_id) if folder_id else None,
        name=name,
        declared_type=declared,
        size=None if size == ANY_SIZE else size,
        sha256=sha256,
        tags=tags_of(tags),
        created_at=moment(created),
        expires_at=moment(expires),
    )
    return Owner(tenant, owner), grant


async def file_owner(executor: Executor, file_id: FileId) -> Owner | None:
    """Whose file that is."""
    rows = await executor.fetch(_OWNER, {"id": file_id})
    return Owner(*rows[0]) if rows else None


async def known_files(executor: Executor, file_ids: Collection[FileId]) -> set[FileId]:
    """Those of the ids that are a file's."""
    return {file_id for file_id in file_ids if await _is_known(executor, file_id)}


async def _is_known(executor: Executor, file_id: FileId) -> bool:
    asked = {"id": file_id}
    return bool(await executor.fetch(_KNOWN_OF_CONVERSATIONS, asked) or await executor.fetch(_KNOWN_STORED, asked))
