"""Tokens of people: what opens the door, and everything that does not, by a live issuer over a real server."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from parley.v1 import thread_pb2, thread_pb2_grpc

from server.domain.key import KeyStyle
from server.domain.principal import Owner
from tests.contract.api.refusal import Refusal, refusal
from tests.contract.api.serving import Served, serve
from tests.support.bad_tokens import BAD, LEEWAY_SECONDS, now, signed

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


@pytest.mark.parametrize("what", BAD)
async def test_whatever_is_wrong_with_a_token_it_is_refused_alike(served: Served, what: str) -> None:
    found = await refused(served, BAD[what](served.issuer))
    assert found == await refused(served, "sk_live_hello")
    assert (found.code, found.reason) == INVALID


async def test_clocks_may_differ_a_little(served: Served) -> None:
    differing: list[dict[str, Any]] = [
        {"exp": now() - LEEWAY_SECONDS + 20},
        {"nbf": now() + LEEWAY_SECONDS - 20},
        {"iat": now() + LEEWAY_SECONDS - 20},
    ]
    for claims in differing:
        assert await knock(served, served.issuer.token(**claims)) == set()


async def test_a_token_may_be_for_several_audiences(served: Served) -> None:
    assert await knock(served, served.issuer.token(aud=["somebody else", "parley"])) == set()


async def test_a_token_for_access_says_so(served: Served) -> None:
    assert await knock(served, signed(served.issuer, {"typ": "at+jwt"})) == set()


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
