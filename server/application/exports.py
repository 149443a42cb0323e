"""Everything that is a user's, record by record, from any record on.

Records are read a few at a time, each in a transaction that is over before they are shown: a slow reader holds nothing
of the store. What comes into being while an export goes on may be in it or not; each record is as it was when it was
read; none comes twice.
"""

import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final

from server.application.audit import Audit
from server.application.export_cursor import START, ExportCursor, export_cursor, export_token
from server.application.keys import KeyFactory
from server.domain.audit import Act, Deed
from server.domain.errors import FileNotFound, ScopeMissing, UserNotFound
from server.domain.ids import FileId
from server.domain.principal import Owner, Principal
from server.domain.rights_errors import InvalidExportCursor
from server.domain.scope import DATA_SCOPE
from server.ports.blobs import Blobs
from server.ports.exports import RecordKey, Source
from server.ports.store import Store, Transaction

_KEYS: Final = 1000
"""How many keys are read at a time …"""
_RECORDS: Final = 64
"""… and of how many records at most."""
_BYTES: Final = 256 * 1024
"""Records beyond about so many bytes are read later."""


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """One thing that is the user's. `cursor` goes on behind it."""

    kind: str
    id: str
    data: Mapping[str, Any]
    cursor: str


@dataclass(frozen=True, slots=True)
class ExportEnd:
    """There is nothing more. `digest` is that of the kinds and ids of all `count` records, in their order."""

    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A record, or a piece of a content, and where that is."""

    source: Source
    parent: str
    key: RecordKey
    kind: str
    id: str
    data: Mapping[str, Any]
    offset: int | None = None


class Exports:
    """Shows users what is theirs, and administrators what is a user's of the tenant."""

    def __init__(self, *, store: Store, blobs: Blobs, factory: KeyFactory, audit: Audit) -> None:
        self._store = store
        self._blobs = blobs
        self._seal = factory.seal("export cursor")
        self._audit = audit

    async def of(
        self, principal: Principal, user: str, *, cursor: str
    ) -> AsyncGenerator[ExportRecord | ExportEnd, None]:
        """The records behind a cursor, and the end; `user` names somebody else than the caller, `cursor` may be empty.

        Raises `ScopeMissing` (others' data needs `data:admin`), `UserNotFound` (also when the user is erased
        meanwhile), `InvalidExportCursor`.
        """
        owner = _whose(principal, user)
        position = export_cursor(cursor, owner, self._seal) if cursor else START
        sources = await self._store.read(owner, lambda tx: _sources(tx, owner, position))
        await self._account(principal, owner, Deed(Act.EXPORT_BEGAN, f"behind {position.count} records"))
        async with aclosing(self._records(owner, sources, position)) as records:
            async for found in records:
                name = f"{found.kind}\n{found.id}\n"
                position = position.behind(found.source, found.parent, found.key, name=name, offset=found.offset)
                yield ExportRecord(found.kind, found.id, found.data, export_token(position, owner, self._seal))
        await self._account(principal, owner, Deed(Act.EXPORT_ENDED, f"{position.count} records"))
        yield ExportEnd(position.count, position.digest)

    async def _account(self, principal: Principal, owner: Owner, deed: Deed) -> None:
        await self._store.write_system(lambda tx: self._audit.record_concerning(tx, principal, owner, deed))

    async def _records(self, owner: Owner, sources: Sequence[Source], at: ExportCursor) -> AsyncGenerator[_Found, None]:
        names = [source.name for source in sources]
        for source in sources[names.index(at.source) if at.source else 0 :]:
            is_resumed = source.name == at.source
            if is_resumed and at.offset is not None:
                async for piece in self._pieces(source, at.parent, at.key, at.offset):
                    yield piece
            async for parent in self._parents(owner, source, at.parent if is_resumed else ""):
                after = at.key if is_resumed and parent == at.parent else None
                async for found in self._of_parent(owner, source, parent, after):
                    yield found
                    if source.has_contents:
                        async for piece in self._pieces(source, parent, found.key, 0):
                            yield piece

    async def _parents(self, owner: Owner, source: Source, first: str) -> AsyncGenerator[str, None]:
        """To whom records of a source belong, from one on."""
        if source.parents is None:
            yield ""
            return
        if first:
            yield first
        async for key in self._keys(owner, source.parents, "", (first,) if first else None):
            yield str(key[0])

    async def _keys(
        self, owner: Owner, source: str, parent: str, after: RecordKey | None
    ) -> AsyncGenerator[RecordKey, None]:
        while True:
            keys = await self._store.read(
                owner,
                lambda tx, after=after: tx.personal_records.keys(source, parent, after=after, limit=_KEYS),  # type: ignore[misc]
            )
            for key in keys:
                yield key
            if len(keys) < _KEYS:
                return
            after = keys[-1]

    async def _of_parent(
        self, owner: Owner, source: Source, parent: str, after: RecordKey | None
    ) -> AsyncGenerator[_Found, None]:
        waiting: list[RecordKey] = []
        async for key in self._keys(owner, source.name, parent, after):
            waiting.append(key)
            if len(waiting) == _RECORDS:
                async for found in self._read(owner, source, parent, waiting):
                    yield found
                waiting = []
        async for found in self._read(owner, source, parent, waiting):
            yield found

    async def _read(
        self, owner: Owner, source: Source, parent: str, keys: list[RecordKey]
    ) -> AsyncGenerator[_Found, None]:
        """The records of those keys that are still there."""
        while keys:
            looked_at, records = await self._store.read(
                owner,
                lambda tx, keys=keys: _some(tx, owner, source, parent, keys),  # type: ignore[misc]
            )
            offset = 0 if source.has_contents else None
            for key, data in records:
                yield _Found(source, parent, key, source.kind, _id(source, parent, key), data, offset)
            keys = keys[looked_at:]

    async def _pieces(self, source: Source, parent: str, key: RecordKey, offset: int) -> AsyncGenerator[_Found, None]:
        """The content beside a record from an offset on, as far as it is still there."""
        identity = str(key[0])
        with suppress(FileNotFound):
            async with aclosing(self._blobs.read(FileId(identity), offset)) as pieces:
                async for piece in pieces:
                    data = {"id": identity, "offset": offset, "content": base64.b64encode(piece).decode()}
                    kind, name = f"{source.kind}_content", f"{identity}:{offset}"
                    offset += len(piece)
                    yield _Found(source, parent, key, kind, name, data, offset)


def _whose(principal: Principal, user: str) -> Owner:
    if not user or (user == principal.owner.user and principal.actor is None):
        return principal.owner
    if not principal.has_scope(DATA_SCOPE):
        raise ScopeMissing(DATA_SCOPE)
    return Owner(principal.owner.tenant, user)


async def _sources(tx: Transaction, owner: Owner, position: ExportCursor) -> Sequence[Source]:
    """All sources, if there is such a user. Raises `UserNotFound`, `InvalidExportCursor`."""
    if not await tx.personal_records.is_known():
        raise UserNotFound(owner.user)
    if position != START and not tx.personal_records.fits(position.source, position.key):
        raise InvalidExportCursor  # of another version of the service, whose tables were others
    return tx.personal_records.sources()


async def _some(
    tx: Transaction, owner: Owner, source: Source, parent: str, keys: list[RecordKey]
) -> tuple[int, list[tuple[RecordKey, Mapping[str, Any]]]]:
    """Records of the first keys, and of how many keys. Raises `UserNotFound`."""
    if not await tx.personal_records.is_known():
        raise UserNotFound(owner.user)
    found: list[tuple[RecordKey, Mapping[str, Any]]] = []
    read = size = 0
    for key in keys:
        record = await tx.personal_records.record(source.name, parent, key)
        read += 1
        if record is not None:
            found.append((key, record))
            size += sum(len(value) for value in record.values() if isinstance(value, str))
        if size >= _BYTES:
            break
    return read, found


def _id(source: Source, parent: str, key: RecordKey) -> str:
    return ":".join(map(str, (parent, *key) if source.is_within_parent else key))
