"""Verifies tokens: form and signature first, by the one algorithm of the key, then what the registered claims say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Never

import orjson
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from server.adapters.identity.key_set import KeySet
from server.adapters.identity.web_key import ALGORITHMS
from server.domain.errors import KeyInvalid
from server.ports.system import Clock

TOKEN_BYTES: Final = 8 * 1024
_SHARED_SECRET: Final = "HS256"  # noqa: S105 - the name of an algorithm
_TYPES: Final = frozenset({"jwt", "at+jwt"})
_SIGNATURES: Final = PyJWS()


@dataclass(frozen=True, slots=True)
class Expected:
    """What the claims of a token must say."""

    issuer: str
    audience: str
    leeway: timedelta
    """How far the issuer's clock may be from this one."""


class TokenVerifier:
    """See `ports.user_tokens.UserTokens`. Takes RS256, ES256 and EdDSA by the keys of `key_set`, and HS256 by `secret`;
    each only if it is given. A public key never verifies HS256, for which one would be no secret."""

    def __init__(
        self, *, expected: Expected, clock: Clock, key_set: KeySet | None = None, secret: bytes | None = None
    ) -> None:
        self._expected = expected
        self._clock = clock
        self._key_set = key_set
        self._secret = secret

    async def verified(self, token: str) -> Mapping[str, object]:
        """The claims of a valid token."""
        if len(token) > TOKEN_BYTES:
            raise KeyInvalid
        header = _header(token)
        algorithm = str(header.get("alg"))
        if algorithm == _SHARED_SECRET and self._secret is not None:
            key: object = self._secret
        elif algorithm in ALGORITHMS and self._key_set is not None:
            key = (await self._key_set.key(_key_id(header), algorithm)).key
        else:
            raise KeyInvalid
        claims = _claims(token, key, algorithm)
        self._check(claims)
        return claims

    def _check(self, claims: Mapping[str, object]) -> None:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._expected.issuer or self._expected.audience not in audiences:
            raise KeyInvalid
        now, leeway = self._clock.now().timestamp(), self._expected.leeway.total_seconds()
        if now >= _time(claims, "exp") + leeway:
            raise KeyInvalid
        if any(now < _time(claims, name) - leeway for name in ("nbf", "iat") if name in claims):
            raise KeyInvalid


def _header(token: str) -> Mapping[str, object]:
    """The header, of which nothing is proven yet. `crit` names extensions without which a token may not be understood;
    none is."""
    try:
        header = _SIGNATURES.get_unverified_header(token)
    except (PyJWTError, ValueError):
        _refuse()
    kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
    if "crit" in header or "b64" in header or kind not in _TYPES:
        raise KeyInvalid
    return header


def _key_id(header: Mapping[str, object]) -> str | None:
    key_id = header.get("kid")
    if not isinstance(key_id, str | None):
        raise KeyInvalid
    return key_id


def _claims(token: str, key: object, algorithm: str) -> Mapping[str, object]:
    try:
        claims = orjson.loads(_SIGNATURES.decode(token, key, algorithms=[algorithm]))  # type: ignore[arg-type] # of it
    except (PyJWTError, ValueError, TypeError):
        _refuse()
    if not isinstance(claims, dict):
        raise KeyInvalid
    return claims


def _time(claims: Mapping[str, object], name: str) -> float:
    time = claims.get(name)
    if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
        raise KeyInvalid
    return float(time)


def _refuse() -> Never:
    # Without the cause: whatever is wrong with a token, it is the same refusal.
    raise KeyInvalid from None
