"""Credentials that are no good, headers that contradict each other and names of nobody: over every transport, in every
documented header, each gives the documented code and nothing that tells one from another."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import httpx
import pytest
from parley.v1 import thread_pb2, thread_pb2_grpc

from server.domain.key import KeyEnvironment, KeyStyle
from tests.contract.api.case import Caller
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage
from tests.support.bad_tokens import BAD

Headers = Sequence[tuple[str, str]]
Answer = tuple[str, str]
"""Code and reason; of a good call `OK` and nothing."""

_ROUTE: Final = "/api/v1/llm/gateway/list-threads"
_HEADERS: Final[dict[str, str]] = {"x-api-key": "{}", "uni-api-key": "{}", "authorization": "Bearer {}"}
"""The documented headers of credentials, and how each has its own."""
_GOOD: Final = ("OK", "")
_MISSING: Final = ("UNAUTHENTICATED", "KEY_MISSING")
_INVALID: Final = ("UNAUTHENTICATED", "KEY_INVALID")
_CONFLICT: Final = ("UNAUTHENTICATED", "KEY_CONFLICT")
_NOBODY: Final = ("INVALID_ARGUMENT", "INVALID_FIELD")
_CODES: Final = {200: "OK", 400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}


async def _over_grpc(served: Served, headers: Headers) -> Answer:
    stub = thread_pb2_grpc.ThreadServiceStub(served.channel)
    try:
        await stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=tuple(headers))
    except grpc.aio.AioRpcError as error:
        found = refusal(error)
        return str(found.code), str(found.reason)
    return _GOOD


async def _over_http(client: httpx.AsyncClient, headers: Headers) -> Answer:
    reply = await client.post(_ROUTE, json={}, headers=list(headers))
    if reply.status_code == httpx.codes.OK:
        return _GOOD
    error: Any = reply.json()["error"]
    assert (error["code"], _CODES[reply.status_code]) == (reply.status_code, error["status"])
    assert ("www-authenticate" in reply.headers) == (reply.status_code == httpx.codes.UNAUTHORIZED)
    return error["status"], error["details"][0]["reason"]


async def _answers(served: Served, headers: Headers) -> set[Answer]:
    """What the same call is answered over each transport; over HTTP no header of an identity may come twice."""
    if len({name for name, _ in headers}) < len(headers):
        for client in (served.in_process, served.through_channel):
            assert await _over_http(client, headers) == ("INVALID_ARGUMENT", "INVALID_HEADER")
        return {await _over_grpc(served, headers)}
    return {
        await _over_grpc(served, headers),
        await _over_http(served.in_process, headers),
        await _over_http(served.through_channel, headers),
    }


async def _in_each_header(served: Served, credential: str) -> set[Answer]:
    found = [await _answers(served, [(name, form.format(credential))]) for name, form in _HEADERS.items()]
    return set.union(*found)


async def _good(served: Served, name: str = "anna") -> str:
    return (await served.key(name))[1]


_KEYS: Final[dict[str, Callable[[str], str]]] = {
    "truncated": lambda key: key[:-1],
    "a prefix alone": lambda key: key[:16],
    "mistyped": lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
    "lengthened": lambda key: key + "0",
    "oversized": lambda key: key * 40,
    "of another style": lambda key: key.replace("sk_test_", "sk_live_", 1),
    "in upper case": lambda key: key.upper(),
    "another word before it": lambda key: f"Bearer {key}",
    "no key at all": lambda _: "hello",
    "an archive key of zeros": lambda _: "ayeto-" + "0" * 64,
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("what", _KEYS)
async def test_what_is_wrong_with_a_key_is_told_to_nobody(served: Served, what: str) -> None:
    bad = _KEYS[what](await _good(served))
    answers = await _in_each_header(served, bad)
    assert answers == {_INVALID}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("what", ["unknown", "revoked", "expired"])
async def test_keys_that_were_good_or_never_are_refused_like_those_that_are_none(served: Served, what: str) -> None:
    headers = await Stage(served, f"bad-{what}").headers(Caller(key=what))
    assert await _in_each_header(served, headers["x-api-key"]) == {_INVALID}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("what", BAD)
async def test_what_is_wrong_with_a_token_is_told_to_nobody(served: Served, what: str) -> None:
    assert await _in_each_header(served, BAD[what](served.issuer)) == {_INVALID}


@pytest.mark.asyncio(loop_scope="module")
async def test_an_oversized_token_is_refused_as_it_is_read_or_as_a_head_is(served: Served) -> None:
    fits = served.issuer.token(padding="x" * 3000)
    assert await _in_each_header(served, fits) == {_GOOD}
    assert await _in_each_header(served, fits[:-1]) == {_INVALID}
    too_large = served.issuer.token(padding="x" * 9000)
    for client in (served.in_process, served.through_channel):
        for name, form in _HEADERS.items():
            reply = await client.post(_ROUTE, json={}, headers={name: form.format(too_large)})
            assert reply.status_code == httpx.codes.REQUEST_HEADER_FIELDS_TOO_LARGE
    assert (await _over_grpc(served, [("x-api-key", too_large)]))[0] == "RESOURCE_EXHAUSTED"


@pytest.mark.asyncio(loop_scope="module")
async def test_credentials_that_contradict_each_other_are_refused(served: Served) -> None:
    anna, bert, token = await _good(served), await _good(served, "bert"), served.issuer.token()
    conflicting = [
        [("x-api-key", anna), ("x-api-key", bert)],
        [("x-api-key", anna), ("uni-api-key", bert)],
        [("x-api-key", anna), ("authorization", f"Bearer {bert}")],
        [("uni-api-key", anna), ("authorization", f"Bearer {token}")],
        [("x-api-key", anna), ("authorization", "Basic YTpi")],
        [("x-api-key", anna), ("uni-api-key", bert), ("authorization", f"Bearer {token}")],
        [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {served.issuer.token('bert')}")],
    ]
    for headers in conflicting:
        assert await _answers(served, headers) == {_CONFLICT}, headers


@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_credential_twice_is_one_and_an_empty_one_none(served: Served) -> None:
    key = await _good(served)
    for headers in (
        [("x-api-key", key), ("x-api-key", key)],
        [("x-api-key", key), ("uni-api-key", key), ("authorization", f"Bearer {key}")],
        [("x-api-key", key), ("uni-api-key", "")],
    ):
        assert await _answers(served, headers) == {_GOOD}, headers
    for none in ([], [("x-api-key", "")], [("authorization", "")], [("uni-api-key", ""), ("x-api-key", "")]):
        assert await _answers(served, none) == {_MISSING}, none
    for scheme in ("Bearer", "Basic", f"Basic {key}", f"Token {key}"):
        assert await _answers(served, [("authorization", scheme)]) <= {_INVALID, _MISSING}, scheme


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_and_everybody_cannot_be_acted_for(served: Served) -> None:
    key = await _good(served, "service")
    for subject in ("", "*", "x" * 256):
        assert await _answers(served, [("x-api-key", key), ("x-on-behalf-of", subject)]) == {_NOBODY}, subject
    for two in (("anna", "bert"), ("anna", "anna"), ("anna", "")):
        headers = [("x-api-key", key), *(("x-on-behalf-of", each) for each in two)]
        assert await _answers(served, headers) == {_NOBODY}, two


@pytest.mark.asyncio(loop_scope="module")
async def test_a_token_without_a_tenant_or_with_anothers_is_forbidden(served: Served) -> None:
    nowhere = served.issuer.token(tenant=None)
    assert await _in_each_header(served, nowhere) == {("PERMISSION_DENIED", "TENANT_MISSING")}
    publishable = (await served.key("shop", tenant="acme", style=KeyStyle.PUBLISHABLE))[1]
    elsewhere = [("x-api-key", publishable), ("authorization", f"Bearer {served.issuer.token('anna', 'other')}")]
    assert await _answers(served, elsewhere) == {("PERMISSION_DENIED", "TENANT_FORBIDDEN")}
    unknown = served.factory.make(KeyStyle.PUBLISHABLE, KeyEnvironment.LIVE)
    headers = [("x-api-key", unknown), ("authorization", f"Bearer {served.issuer.token()}")]
    assert await _answers(served, headers) == {_INVALID}
