"""What a request carries: pieces that lie in memory as they came, and their digest."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

_THREADED_BYTES: Final = 256 * 1024
"""From here on digesting would hold up the loop for longer than a thread costs."""


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes in pieces, which are never joined, and may be sent again."""

    pieces: Sequence[bytes] = ()
    size: int = 0
    digest: bytes = hashlib.sha256().digest()
    """SHA-256."""

    @classmethod
    async def of(cls, pieces: Sequence[bytes]) -> "Body":
        """The pieces, digested."""
        size = sum(map(len, pieces))
        digest = _sha256(pieces) if size < _THREADED_BYTES else await asyncio.to_thread(_sha256, pieces)
        return cls(pieces, size, digest)

    @property
    def checksum(self) -> str:
        """The digest as `x-amz-checksum-sha256` has it."""
        return base64.b64encode(self.digest).decode()

    def content(self) -> bytes | AsyncGenerator[bytes, None]:
        """What httpx sends."""
        return b"".join(self.pieces) if len(self.pieces) <= 1 else self._each()

    async def _each(self) -> AsyncGenerator[bytes, None]:
        for piece in self.pieces:
            yield piece


NOTHING: Final = Body()


def _sha256(pieces: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
