"""Where an export stands: behind which record, how many there were, and the digest of their names."""

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Final

from server.application.seal import Seal
from server.domain.principal import Owner
from server.domain.rights_errors import InvalidExportCursor
from server.ports.exports import RecordKey, Source

NO_DIGEST: Final = "0" * 64
"""Before the first record."""
_PARTS: Final = 6


@dataclass(frozen=True, slots=True)
class ExportCursor:
    """Behind a record. `offset` is how much of its content was shown, `None` when it has none."""

    source: str
    parent: str
    key: RecordKey
    offset: int | None = None
    count: int = 0
    digest: str = NO_DIGEST

    def behind(self, source: Source, parent: str, key: RecordKey, *, name: str, offset: int | None) -> "ExportCursor":
        """The cursor behind the next record, which has that kind and id in its `name`."""
        return ExportCursor(source.name, parent, key, offset, self.count + 1, _chained(self.digest, name))


START: Final = ExportCursor("", "", ())
"""Before everything."""


def export_token(cursor: ExportCursor, owner: Owner, seal: Seal) -> str:
    """The cursor as a text that counts for this user only and that nobody else can make."""
    parts = [cursor.source, cursor.parent, list(cursor.key), cursor.offset, cursor.count, cursor.digest]
    text = json.dumps(parts, separators=(",", ":"))
    sealed = f"{seal.of(owner.tenant, owner.user, text)}{text}"
    return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")


def export_cursor(token: str, owner: Owner, seal: Seal) -> ExportCursor:
    """The cursor of a text. Raises `InvalidExportCursor` for what is none of this user's."""
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError as error:
        raise InvalidExportCursor from error
    mark, text = sealed[:32], sealed[32:]
    if not seal.is_of(mark, owner.tenant, owner.user, text):
        raise InvalidExportCursor
    # From here on it is our own.
    parts = json.loads(text)
    assert len(parts) == _PARTS  # noqa: S101
    return replace(ExportCursor(*parts), key=tuple(parts[2]))


def _chained(digest: str, name: str) -> str:
    return hashlib.sha256(f"{digest}{name}".encode()).hexdigest()
