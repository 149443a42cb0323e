"""The operator's keys over a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.domain.ids import default_organization_id
from server.domain.organization import MemberRole
from server.domain.principal import Owner
from tests.contract.api.serving import Served, serve


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as running:
        yield running


async def test_user_and_organization_come_into_being_with_the_key(served: Served) -> None:
    await served.key("first", tenant="new")
    await served.key("second", tenant="new")
    (first,) = await served.house.organizations.of(Owner("new", "first"))
    (second,) = await served.house.organizations.of(Owner("new", "second"))
    assert first.organization_id == second.organization_id == default_organization_id("new")
    assert (first.role, second.role) == (MemberRole.OWNER, MemberRole.MEMBER)


async def test_the_store_never_holds_a_keys_text(served: Served, tmp_path: Path) -> None:
    stored, text = await served.key()
    (listed,) = await served.keys.list()
    assert listed == stored
    secret = text.removeprefix(stored.prefix)
    assert len(secret) > 40
    assert secret.encode() not in _everything_in(tmp_path)
    assert stored.digest.encode() in _everything_in(tmp_path)


async def test_a_key_is_revoked_by_id_prefix_or_text_and_only_once(served: Served) -> None:
    for name in ("id", "prefix", "text"):
        stored, text = await served.key()
        named = {"id": stored.id, "prefix": stored.prefix, "text": text}[name]
        assert await served.keys.revoke(named) == 1
        assert await served.keys.revoke(named) == 0
    assert all(key.revoked_at for key in await served.keys.list())


async def test_an_unknown_name_revokes_nothing(served: Served) -> None:
    stored, _ = await served.key()
    for name in ("", "sk_live_", stored.prefix[:-1], stored.digest):
        assert await served.keys.revoke(name) == 0


def _everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
