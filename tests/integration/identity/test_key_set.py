"""The issuer's keys over a real port: how often they are fetched, how long they count, and what keeps them from it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from structlog.testing import capture_logs

from server.adapters.identity.key_set import KeySet
from server.adapters.identity.web_key import usable_keys
from server.domain.errors import KeyInvalid
from server.domain.identity_errors import IssuerUnavailable
from tests.integration.rpc.manual_clock import ManualClock
from tests.support.issuer import Issuer

MAX_AGE, INTERVAL = 300, 10


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as running:
        yield running


@asynccontextmanager
async def opened(issuer: Issuer, clock: ManualClock, *, patience: float = 5) -> AsyncIterator[KeySet]:
    async with KeySet(issuer.url, clock=clock, trust_env=False, patience=timedelta(seconds=patience)) as key_set:
        yield key_set


async def settled(key_set: KeySet) -> None:
    """Wait for the fetch that is under way."""
    if key_set._fetch is not None:
        await asyncio.wait({key_set._fetch})


async def test_keys_are_fetched_once_for_many_tokens(issuer: Issuer) -> None:
    async with opened(issuer, ManualClock()) as key_set:
        found = await asyncio.gather(*(key_set.key(name, name) for name in ("RS256", "ES256", "EdDSA") * 10))
    assert {key.id for key in found} == {"RS256", "ES256", "EdDSA"}
    assert issuer.requests == 1


async def test_a_key_is_of_one_algorithm(issuer: Issuer) -> None:
    async with opened(issuer, ManualClock()) as key_set:
        with pytest.raises(KeyInvalid):
            await key_set.key("RS256", "ES256")


async def test_without_an_id_the_only_key_of_the_algorithm_counts(issuer: Issuer) -> None:
    clock = ManualClock()
    async with opened(issuer, clock) as key_set:
        assert (await key_set.key(None, "ES256")).id == "ES256"
        issuer.keys["second"] = ("ES256", ec.generate_private_key(ec.SECP256R1()))
        clock.move(MAX_AGE)
        await key_set.key("RS256", "RS256")
        await settled(key_set)
        with pytest.raises(KeyInvalid):
            await key_set.key(None, "ES256")


async def test_old_keys_are_used_while_new_ones_are_fetched(issuer: Issuer) -> None:
    clock = ManualClock()
    async with opened(issuer, clock) as key_set:
        await key_set.key("ES256", "ES256")
        issuer.gate.clear()
        clock.move(MAX_AGE)
        assert (await key_set.key("ES256", "ES256")).id == "ES256"
        issuer.gate.set()
        await settled(key_set)
    assert issuer.requests == 2


async def test_a_new_key_is_found_by_its_first_token_and_the_old_one_is_gone(issuer: Issuer) -> None:
    clock = ManualClock()
    async with opened(issuer, clock) as key_set:
        await key_set.key("ES256", "ES256")
        issuer.rotate("ES256", "next")
        clock.move(INTERVAL)
        assert (await key_set.key("next", "ES256")).id == "next"
        with pytest.raises(KeyInvalid):
            await key_set.key("ES256", "ES256")


async def test_made_up_key_ids_cost_one_request_an_interval(issuer: Issuer) -> None:
    clock = ManualClock()
    async with opened(issuer, clock) as key_set:
        await key_set.key("ES256", "ES256")
        for _ in range(3):
            for name in range(20):
                with pytest.raises(KeyInvalid):
                    await key_set.key(f"made-up-{name}", "ES256")
            clock.move(INTERVAL)
    assert issuer.requests == 3


async def test_the_last_keys_count_while_the_issuer_is_away(issuer: Issuer) -> None:
    clock = ManualClock()
    async with opened(issuer, clock) as key_set:
        await key_set.key("ES256", "ES256")
        await issuer.go_away()
        with capture_logs() as logged:
            for _ in range(3):
                clock.move(MAX_AGE)
                assert (await key_set.key("ES256", "ES256")).id == "ES256"
                await settled(key_set)
        assert [line["event"] for line in logged] == ["issuer_keys_not_fetched"] * 3
        with pytest.raises(IssuerUnavailable):
            await key_set.key("next", "ES256")
        await issuer.come_back()
        issuer.rotate("ES256", "next")
        clock.move(INTERVAL)
        assert (await key_set.key("next", "ES256")).id == "next"


async def test_without_any_keys_nobody_can_tell_and_the_next_second_asks_again(issuer: Issuer) -> None:
    clock = ManualClock()
    await issuer.go_away()
    async with opened(issuer, clock) as key_set:
        for _ in range(3):
            with pytest.raises(IssuerUnavailable):
                await key_set.key("ES256", "ES256")
        await issuer.come_back()
        with pytest.raises(IssuerUnavailable):
            await key_set.key("ES256", "ES256")
        clock.move(1)
        assert (await key_set.key("ES256", "ES256")).id == "ES256"
    assert issuer.requests == 1


async def test_an_issuer_that_does_not_answer_is_waited_for_no_longer_than_may_be(issuer: Issuer) -> None:
    issuer.gate.clear()
    async with opened(issuer, ManualClock(), patience=0.05) as key_set:
        with pytest.raises(IssuerUnavailable):
            await key_set.key("ES256", "ES256")


async def test_who_leaves_takes_nobodys_fetch_away(issuer: Issuer) -> None:
    issuer.gate.clear()
    async with opened(issuer, ManualClock()) as key_set:
        leaving, staying = (asyncio.create_task(key_set.key("ES256", "ES256")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        issuer.gate.set()
        assert (await staying).id == "ES256"
    assert issuer.requests == 1


async def test_leaving_ends_a_fetch_that_hangs(issuer: Issuer) -> None:
    issuer.gate.clear()
    async with opened(issuer, ManualClock()):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, None, ""),
        (302, None, "Location: http://127.0.0.1:1/\r\n"),
        (200, b"", ""),
        (200, b"[]", ""),
        (200, b'{"keys": {}}', ""),
        (200, b'{"keys": ["' + b"x" * 262144 + b'"]}', ""),
        (200, b"\xff", ""),
        (200, None, "Content-Encoding: gzip\r\n"),
    ],
)
async def test_a_reply_that_is_no_key_set_changes_nothing(
    issuer: Issuer, status: int, body: bytes | None, headers: str
) -> None:
    clock = ManualClock()
    async with opened(issuer, clock) as key_set:
        await key_set.key("ES256", "ES256")
        issuer.status, issuer.body, issuer.headers = status, body, headers
        clock.move(MAX_AGE)
        await key_set.key("ES256", "ES256")
        await settled(key_set)
        assert (await key_set.key("ES256", "ES256")).id == "ES256"
        with pytest.raises(IssuerUnavailable):
            await key_set.key("other", "ES256")
    assert issuer.requests == 2


def _jwk(**changes: Any) -> dict[str, Any]:
    key = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    return {name: value for name, value in {**key, "kid": "k", **changes}.items() if value is not None}


def _rsa(bits: int) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, bits).public_key(), as_dict=True)


@pytest.mark.parametrize("changes", [{}, {"use": "sig"}, {"alg": "ES256"}, {"key_ops": ["verify"]}, {"kid": None}])
def test_keys_for_signatures_are_taken(changes: dict[str, Any]) -> None:
    (key,) = usable_keys({"keys": [_jwk(**changes)]})
    assert key.algorithm == "ES256"
    assert key.id == {"kid": "k", **changes}["kid"]


@pytest.mark.parametrize(
    "key",
    [
        _jwk(use="enc"),
        _jwk(key_ops=["sign"]),
        _jwk(key_ops="verify"),
        _jwk(alg="HS256"),
        _jwk(alg="none"),
        _jwk(crv="P-384"),
        _jwk(kty="oct", k="c2VjcmV0"),
        _jwk(x="AAAA"),
        _jwk(x=None),
        _jwk(kty=["EC"]),
        _jwk(crv=7),
        ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True),
        _rsa(1024),
        {},
        "key",
        None,
    ],
)
def test_other_keys_are_ignored(key: Any) -> None:
    good = _jwk(kid="good")
    assert [found.id for found in usable_keys(json.loads(json.dumps({"keys": [key, good]})))] == ["good"]
