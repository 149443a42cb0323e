"""The keys of a JSON Web Key Set (RFC 7517) that may verify a token: public, for signatures, of one algorithm each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

_MOST_KEYS: Final = 64
_RSA_BITS: Final = range(2048, 8193)
"""Shorter keys are weak; longer ones cost the verifier more than a signature is worth."""
# A key's algorithm follows from its type alone, whatever the token or the key claims. The curves are part of the type.
_ALGORITHM_OF: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
_NAMES_OF: Final = {"RS256": {"RS256"}, "ES256": {"ES256"}, "EdDSA": {"EdDSA", "Ed25519"}}
ALGORITHMS: Final = frozenset(_ALGORITHM_OF.values())
"""The algorithms of public keys that are taken."""


@dataclass(frozen=True, slots=True)
class WebKey:
    """A public key, and the one algorithm that it verifies."""

    id: str | None
    algorithm: str
    key: Any
    """As PyJWT takes it."""


def usable_keys(document: object) -> Sequence[WebKey]:
    """The keys of a set that may verify a token; all others are ignored, also those that are broken or private. Raises
    `ValueError` for what is no key set."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("the reply is no JSON Web Key Set")  # noqa: TRY004 - a fact about a document, not a call
    return list(_usable(keys[:_MOST_KEYS]))


def _usable(keys: Sequence[object]) -> Iterator[WebKey]:
    for data in keys:
        algorithm = _algorithm(data) if isinstance(data, dict) else None
        if algorithm is None or not isinstance(data, dict):
            continue
        try:
            key = PyJWK(data, algorithm=algorithm).key
        except (PyJWTError, ValueError, TypeError):
            continue
        if not isinstance(key, RSAPublicKey) or key.key_size in _RSA_BITS:
            kid = data.get("kid")
            yield WebKey(kid if isinstance(kid, str) else None, algorithm, key)


def _algorithm(data: Mapping[str, object]) -> str | None:
    """What the key may verify; `None`: nothing here."""
    kind, curve = data.get("kty"), data.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    algorithm = _ALGORITHM_OF.get((kind, curve))
    if algorithm is None or "d" in data:  # a private key is no secret once it is published
        return None
    operations = data.get("key_ops", ["verify"])
    is_for_signatures = data.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    return algorithm if is_for_signatures and data.get("alg", algorithm) in _NAMES_OF[algorithm] else None
