"""Tokens that nobody may take, by what is wrong with them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.issuer import Issuer

Claims = dict[str, Any]
LEEWAY_SECONDS: Final = 30
"""How far the clocks of issuer and service may differ in tests."""


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def signed(issuer: Issuer, header: Claims, **claims: Any) -> str:
    algorithm, key = issuer.keys["ES256"]
    return jwt.encode(issuer.claims(**claims), key, algorithm, {"kid": "ES256", **header})


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _public_pem(issuer: Issuer, name: str) -> bytes:
    public = issuer.keys[name][1].public_key()
    return bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def _confused(issuer: Issuer, name: str) -> str:
    """A token "signed" with a public key as though it were a shared secret."""
    body = f"{_segment({'alg': 'HS256', 'typ': 'JWT', 'kid': name})}.{_segment(issuer.claims())}"
    signature = hmac.new(_public_pem(issuer, name), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _tampered(token: str) -> str:
    head, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    return f"{head}.{_segment({**claims, 'sub': 'bert'})}.{signature}"


BAD: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.token(exp=now() - LEEWAY_SECONDS - 5),
    "not yet valid": lambda issuer: issuer.token(nbf=now() + LEEWAY_SECONDS + 60),
    "issued in the future": lambda issuer: issuer.token(iat=now() + LEEWAY_SECONDS + 60),
    "without an end": lambda issuer: issuer.token(exp=None),
    "an end that is no time": lambda issuer: jwt_of(issuer, exp="tomorrow"),
    "an end that is true": lambda issuer: jwt_of(issuer, exp=True),
    "another audience": lambda issuer: issuer.token(aud="somebody else"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "an audience that only contains it": lambda issuer: issuer.token(aud="parley.example"),
    "another issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "nobody": lambda issuer: issuer.token(sub=None),
    "an empty subject": lambda issuer: issuer.token(sub=""),
    "everybody": lambda issuer: issuer.token(sub="*"),
    "an empty tenant": lambda issuer: issuer.token(tenant=""),
    "every tenant": lambda issuer: issuer.token(tenant="*"),
    "alg none": lambda issuer: f"{_segment({'alg': 'none'})}.{_segment(issuer.claims())}.",
    "alg None, signed": lambda issuer: f"{_segment({'alg': 'None'})}.{_segment(issuer.claims())}.x",
    "an algorithm that is a list": lambda issuer: f"{_segment({'alg': ['ES256']})}.{_segment(issuer.claims())}.x",
    "RS256 key as a shared secret": lambda issuer: _confused(issuer, "RS256"),
    "EdDSA key as a shared secret": lambda issuer: _confused(issuer, "EdDSA"),
    "a key of another algorithm": lambda issuer: issuer.token(key="ES256").replace(
        issuer.token(key="ES256").split(".")[0], _segment({"alg": "RS256", "kid": "ES256"})
    ),
    "another shared secret": lambda issuer: issuer.shared(secret="a secret that only somebody else shares"),
    "a key of nobody": lambda issuer: jwt.encode(
        issuer.claims(), ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "ES256"}
    ),
    "an unknown key id": lambda issuer: signed(issuer, {"kid": "made-up"}),
    "a critical extension": lambda issuer: signed(issuer, {"crit": ["exp"], "exp": 1}),
    "another kind of token": lambda issuer: signed(issuer, {"typ": "logout+jwt"}),
    "tampered with": lambda issuer: _tampered(issuer.token()),
    "truncated": lambda issuer: issuer.token()[:-10],
    "without its signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "two segments": lambda issuer: issuer.token().rpartition(".")[0],
    "four segments": lambda issuer: issuer.token() + ".x",
    "dots": lambda _: "..",
    "a header that is no JSON": lambda issuer: "x" + issuer.token(),
    "claims that are a list": lambda issuer: jwt_signed(issuer, b"[]"),
    "claims that are not there": lambda issuer: jwt_signed(issuer, b""),
}


def jwt_of(issuer: Issuer, **claims: Any) -> str:
    """A well signed token with claims that no library would sign."""
    return jwt_signed(issuer, json.dumps({**issuer.claims(), **claims}).encode())


def jwt_signed(issuer: Issuer, payload: bytes) -> str:
    algorithm, key = issuer.keys["ES256"]
    return jwt.PyJWS().encode(payload, key, algorithm, {"kid": "ES256"})
