"""API keys: how they look, and how they are digested."""

import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from typing import Final

from server.application.seal import Seal
from server.domain.key import KeyEnvironment, KeyStyle

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES: Final = 32
_SECRET_DIGITS: Final = 43  # 62^43 > 2^256
_ID_DIGITS: Final = 8
_CHECKSUM_DIGITS: Final = 6  # 62^6 > 2^32
_ARCHIVE_HEAD: Final = "ayeto-"
_WELL_FORMED: Final = re.compile(
    rf"(?:sk|pk)_(?:live|test)_[0-9A-Za-z]{{{_ID_DIGITS}}}_[0-9A-Za-z]{{{_SECRET_DIGITS + _CHECKSUM_DIGITS}}}"
)
_WELL_FORMED_ARCHIVE: Final = re.compile(rf"{_ARCHIVE_HEAD}[0-9a-f]{{64}}")
_LEAST_PEPPER_BYTES: Final = 16


class KeyFactory:
    """Makes key texts and digests them. Knows the pepper, and nothing of the store.

    A key is `<style>_<environment>_<8 characters of public id>_<256-bit secret><CRC-32>`, the last two in base 62; the
    archive API's is `ayeto-` and the secret as 64 hex digits. The checksum lets a mistyped key be refused without a
    look-up; it protects nothing.
    """

    def __init__(self, pepper: bytes, *, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        if len(pepper) < _LEAST_PEPPER_BYTES:
            raise ValueError(f"the pepper needs at least {_LEAST_PEPPER_BYTES} bytes")
        self._pepper = pepper
        self._entropy = entropy

    def make(self, style: KeyStyle, environment: KeyEnvironment) -> str:
        """A new key. An archive key shows no environment."""
        secret = self._entropy(_SECRET_BYTES)
        if style is KeyStyle.ARCHIVE:
            return f"{_ARCHIVE_HEAD}{secret.hex()}"
        public = _base62(int.from_bytes(self._entropy(8)), _ID_DIGITS)
        body = f"{style}_{environment}_{public}_{_base62(int.from_bytes(secret), _SECRET_DIGITS)}"
        return body + _checksum(body)

    def digest(self, credential: str) -> str:
        """Hex HMAC-SHA-256 of the whole key under the pepper; all that is ever stored of a key's secret."""
        return hmac.digest(self._pepper, credential.encode(errors="surrogatepass"), "sha256").hex()

    def seal(self, purpose: str) -> Seal:
        """A keyed digest under the same pepper that has nothing to do with keys, nor with seals for anything else."""
        return Seal(hmac.digest(self._pepper, f"seal {purpose}".encode(), "sha256"))

    def derived(self, purpose: str) -> bytes:
        """A secret for something else, 32 bytes: the same wherever the pepper is, and telling nothing of it."""
        return hmac.digest(self._pepper, f"secret for {purpose}".encode(), "sha256")


def is_well_formed(credential: str) -> bool:
    """Whether a text can be a key at all: its form and its checksum."""
    if _WELL_FORMED_ARCHIVE.fullmatch(credential):
        return True
    if not _WELL_FORMED.fullmatch(credential):
        return False
    return _checksum(credential[:-_CHECKSUM_DIGITS]) == credential[-_CHECKSUM_DIGITS:]


def visible_prefix(credential: str) -> str:
    """What of a key may be shown: all before its secret; of an archive key the first 8 digits of 64."""
    if credential.startswith(_ARCHIVE_HEAD):
        return credential[: len(_ARCHIVE_HEAD) + _ID_DIGITS]
    return credential[: -(_SECRET_DIGITS + _CHECKSUM_DIGITS + 1)]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_DIGITS)


def _base62(number: int, digits: int) -> str:
    """The last `digits` digits of a number."""
    text = []
    for _ in range(digits):
        number, digit = divmod(number, len(_ALPHABET))
        text.append(_ALPHABET[digit])
    return "".join(reversed(text))
