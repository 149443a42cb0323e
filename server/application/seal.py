"""Keyed digests: of what nobody else shall be able to make, or to find out by trying."""

import hmac
from typing import Final

_DIGITS: Final = 32


class Seal:
    """HMAC-SHA-256 under a secret of its own, cut to 128 bits."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, *parts: str) -> str:
        """32 hex digits. No two lists of parts are taken for each other."""
        whole = b"".join(
            len(part).to_bytes(4) + part for part in (text.encode(errors="surrogatepass") for text in parts)
        )
        return hmac.digest(self._secret, whole, "sha256").hex()[:_DIGITS]

    def is_of(self, seal: str, *parts: str) -> bool:
        """Whether a seal is that of the parts; in constant time."""
        return hmac.compare_digest(self.of(*parts).encode(), seal.encode(errors="surrogatepass"))
