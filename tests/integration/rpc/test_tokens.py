"""Tokens of people: what opens the door, and everything that does not, by a live issuer over a real server."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from parley.v1 import thread_pb2, thread_pb2_grpc

from server.domain.key import KeyStyle
from server.domain.principal import Owner
from tests.contract.api.refusal import Refusal, refusal
from tests.contract.api.serving import LEEWAY, Served, serve
from tests.support.issuer import Issuer

INVALID = ("UNAUTHENTICATED", "KEY_INVALID")
Claims = dict[str, Any]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as running:
        yield running


async def knock(served: Served, *credentials: str, on_behalf_of: str | None = None) -> set[str]:
    """The keys of the caller's threads."""
    threads = thread_pb2_grpc.ThreadServiceStub(served.channel)
    listed = await threads.ListThreads(thread_pb2.ListThreadsRequest(), metadata=_metadata(credentials, on_behalf_of))
    return {thread.conversation_key for thread in listed.threads}


async def make(served: Served, key: str, *credentials: str, on_behalf_of: str | None = None) -> None:
    threads = thread_pb2_grpc.ThreadServiceStub(served.channel)
    await threads.CreateThread(
        thread_pb2.CreateThreadRequest(conversation_key=key), metadata=_metadata(credentials, on_behalf_of)
    )


async def refused(served: Served, *credentials: str, on_behalf_of: str | None = None) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await knock(served, *credentials, on_behalf_of=on_behalf_of)
    return refusal(caught.value)


def _metadata(credentials: Sequence[str], on_behalf_of: str | None) -> tuple[tuple[str, str], ...]:
    subject = () if on_behalf_of is None else (("x-on-behalf-of", on_behalf_of),)
    return (*(("authorization", f"Bearer {text}") for text in credentials), *subject)


@pytest.mark.parametrize("key", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("header", ["x-api-key", "uni-api-key", "authorization"])
async def test_each_header_takes_a_token_of_each_algorithm(served: Served, key: str, header: str) -> None:
    token = served.issuer.token(key=key)
    value = f"Bearer {token}" if header == "authorization" else token
    stub = thread_pb2_grpc.ThreadServiceStub(served.channel)
    await stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=((header, value),))


async def test_a_shared_secret_does_as_well(served: Served) -> None:
    assert await knock(served, served.issuer.shared()) == set()


async def test_a_person_is_the_user_that_keys_are_of(served: Served) -> None:
    await make(served, "by-token", served.issuer.token("anna", "acme"))
    _, key = await served.key("anna", tenant="acme")
    assert await knock(served, key) == {"by-token"}
    for user, tenant in [("bert", "acme"), ("anna", "other")]:
        assert await knock(served, served.issuer.token(user, tenant)) == set()


async def test_a_person_becomes_a_member_of_the_tenants_organization(served: Served) -> None:
    await knock(served, served.issuer.token("newcomer", "fresh"))
    (membership,) = await served.house.organizations.of(Owner("fresh", "newcomer"))
    assert membership.role == "Owner"


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


def _signed(issuer: Issuer, header: Claims, **claims: Any) -> str:
    algorithm, key = issuer.keys["ES256"]
    return jwt.encode(issuer.claims(**claims), key, algorithm, {"kid": "ES256", **header})


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _public_pem(issuer: Issuer, name: str) -> bytes:
    public = issuer.keys[name][1].public_key()
    return bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def _confused(issuer: Issuer, name: str) -> str:
    """A token "signed" with a public key as though it were a shared secret."""
    import hashlib
    import hmac

    body = f"{_segment({'alg': 'HS256', 'typ': 'JWT', 'kid': name})}.{_segment(issuer.claims())}"
    signature = hmac.new(_public_pem(issuer, name), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _tampered(token: str) -> str:
    head, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    return f"{head}.{_segment({**claims, 'sub': 'bert'})}.{signature}"


_LEEWAY = int(LEEWAY.total_seconds())
BAD: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.token(exp=_now() - _LEEWAY - 5),
    "not yet valid": lambda issuer: issuer.token(nbf=_now() + _LEEWAY + 60),
    "issued in the future": lambda issuer: issuer.token(iat=_now() + _LEEWAY + 60),
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
    "an unknown key id": lambda issuer: _signed(issuer, {"kid": "made-up"}),
    "a critical extension": lambda issuer: _signed(issuer, {"crit": ["exp"], "exp": 1}),
    "another kind of token": lambda issuer: _signed(issuer, {"typ": "logout+jwt"}),
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


@pytest.mark.parametrize("what", BAD)
async def test_whatever_is_wrong_with_a_token_it_is_refused_alike(served: Served, what: str) -> None:
    found = await refused(served, BAD[what](served.issuer))
    assert found == await refused(served, "sk_live_hello")
    assert (found.code, found.reason) == INVALID


async def test_clocks_may_differ_a_little(served: Served) -> None:
    differing: list[dict[str, Any]] = [
        {"exp": _now() - _LEEWAY + 20},
        {"nbf": _now() + _LEEWAY - 20},
        {"iat": _now() + _LEEWAY - 20},
    ]
    for claims in differing:
        assert await knock(served, served.issuer.token(**claims)) == set()


async def test_a_token_may_be_for_several_audiences(served: Served) -> None:
    assert await knock(served, served.issuer.token(aud=["somebody else", "parley"])) == set()


async def test_a_token_for_access_says_so(served: Served) -> None:
    assert await knock(served, _signed(served.issuer, {"typ": "at+jwt"})) == set()


async def test_a_token_without_a_tenant_is_forbidden(served: Served) -> None:
    found = await refused(served, served.issuer.token(tenant=None))
    assert (found.code, found.reason) == ("PERMISSION_DENIED", "TENANT_MISSING")


async def test_a_token_has_the_scopes_it_names(served: Served) -> None:
    assert await knock(served, served.issuer.token(scope="openid conversations:read")) == set()
    found = await refused(served, served.issuer.token(scope="openid conversations:write"))
    assert (found.reason, found.metadata) == ("SCOPE_MISSING", {"scope": "conversations:read"})
    assert (await refused(served, served.issuer.token(permissions=[]))).reason == "SCOPE_MISSING"


async def test_a_publishable_key_counts_together_with_a_token(served: Served) -> None:
    _, key = await served.key("shop", tenant="acme", style=KeyStyle.PUBLISHABLE)
    await make(served, "bought", key, served.issuer.token("anna", tenant=None))
    await make(served, "again", served.issuer.token("anna", "acme"), key)
    assert await knock(served, served.issuer.token("anna", "acme")) == {"bought", "again"}
    assert await knock(served, key, served.issuer.token("bert", tenant=None)) == set()
    assert (await refused(served, key)).reason == "KEY_INVALID"


async def test_a_publishable_key_narrows_what_its_users_may_do(served: Served) -> None:
    _, key = await served.key("shop", style=KeyStyle.PUBLISHABLE, scopes=["conversations:write"])
    assert (await refused(served, key, served.issuer.token())).reason == "SCOPE_MISSING"


async def test_a_token_of_another_tenant_than_the_keys_is_forbidden(served: Served) -> None:
    _, key = await served.key("shop", tenant="acme", style=KeyStyle.PUBLISHABLE)
    found = await refused(served, key, served.issuer.token("anna", "other"))
    assert (found.code, found.reason) == ("PERMISSION_DENIED", "TENANT_FORBIDDEN")


async def test_a_bad_token_makes_no_publishable_key_good_and_the_other_way_round(served: Served) -> None:
    _, key = await served.key("shop", style=KeyStyle.PUBLISHABLE)
    assert (await refused(served, key, served.issuer.token(aud="x"))).reason == "KEY_INVALID"
    revoked, was_good = await served.key("shop", style=KeyStyle.PUBLISHABLE)
    await served.keys.revoke(revoked.id)
    assert (await refused(served, was_good, served.issuer.token())).reason == "KEY_INVALID"


async def test_a_secret_key_and_a_token_conflict_and_so_do_two_tokens(served: Served) -> None:
    _, key = await served.key()
    token = served.issuer.token()
    assert (await refused(served, key, token)).reason == "KEY_CONFLICT"
    assert (await refused(served, token, served.issuer.token("bert"))).reason == "KEY_CONFLICT"
    assert await knock(served, token, token) == set()


async def test_who_acts_for_another_by_a_token_needs_the_scope_by_name(served: Served) -> None:
    token = served.issuer.token("support", scope="users:impersonate conversations:read conversations:write")
    await make(served, "berts", token, on_behalf_of="bert")
    assert await knock(served, served.issuer.token("bert")) == {"berts"}
    found = await refused(served, served.issuer.token("support"), on_behalf_of="bert")
    assert found.metadata == {"scope": "users:impersonate"}


async def test_tokens_open_the_door_while_their_issuer_is_away(served: Served) -> None:
    assert await knock(served, served.issuer.token()) == set()
    await served.issuer.go_away()
    assert await knock(served, served.issuer.token()) == set()
