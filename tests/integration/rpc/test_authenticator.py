"""What recognising a caller costs the store, and how long it is remembered."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.system import SystemIds
from server.application import authentication, known_keys
from server.application.audit import Audit
from server.application.authentication import Authenticator
from server.application.key_operation import Keys
from server.application.key_uses import KeyUses
from server.application.keys import KeyFactory
from server.application.known_keys import KnownKeys
from server.application.refusals import Refusals
from server.domain.errors import KeyInvalid, KeyMissing
from server.domain.identity_errors import TenantForbidden
from server.domain.key import KeyEnvironment, KeyStyle
from server.domain.principal import Owner, Principal
from server.ports.store import Store, SystemTransaction, Transaction
from tests.contract.api.serving import PEPPER
from tests.integration.rpc.manual_clock import ManualClock

ANNA = Owner("acme", "anna")


class CountingStore:
    """A store that counts the units of the service itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.writes = 0

    async def read_system(self, work: Callable[[SystemTransaction], Awaitable[Any]]) -> Any:
        self.reads += 1
        return await self._store.read_system(work)

    async def read(self, owner: Owner, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        self.reads += 1
        return await self._store.read(owner, work)

    async def write_system(self, work: Callable[[SystemTransaction], Awaitable[Any]]) -> Any:
        self.writes += 1
        return await self._store.write_system(work)


@dataclass(frozen=True, slots=True)
class Gatehouse:
    """An authenticator over a counted store."""

    authenticator: Authenticator
    store: CountingStore
    keys: Keys
    uses: KeyUses
    audit: Audit
    factory: KeyFactory
    clock: ManualClock

    async def key(self, owner: Owner = ANNA) -> str:
        _, text = await self.keys.create(owner, scopes=["*"])
        return text


@pytest.fixture
async def gatehouse(tmp_path: Path) -> AsyncIterator[Gatehouse]:
    clock, factory = ManualClock(), KeyFactory(PEPPER)
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'keys.db'}", feed=LocalFeed()) as store:
        counting: Any = CountingStore(store)
        uses, audit = KeyUses(store=store, clock=clock), Audit(clock=clock, ids=SystemIds())
        yield Gatehouse(
            authenticator=Authenticator(
                store=counting,
                clock=clock,
                keys=KnownKeys(store=counting, clock=clock, factory=factory, uses=uses),
                audit=audit,
                refusals=Refusals(store=counting, clock=clock, audit=audit),
            ),
            store=counting,
            keys=Keys(store=store, clock=clock, ids=SystemIds(), factory=factory, audit=audit),
            uses=uses,
            audit=audit,
            factory=factory,
            clock=clock,
        )


async def test_what_cannot_be_a_key_costs_no_look_up(gatehouse: Gatehouse) -> None:
    key = await gatehouse.key()
    with pytest.raises(KeyMissing):
        await gatehouse.authenticator.authenticate([], None)
    for text in ("hello", key + "0", key[:-1], key[:20] + ("0" if key[20] != "0" else "1") + key[21:]):
        with pytest.raises(KeyInvalid):
            await gatehouse.authenticator.authenticate([text], None)
    assert gatehouse.store.reads == 0


async def test_a_known_key_is_looked_up_once_a_second(gatehouse: Gatehouse) -> None:
    key = await gatehouse.key()
    for _ in range(5):
        principal = await gatehouse.authenticator.authenticate([key], None)
        assert (principal.owner, principal.actor) == (ANNA, None)
    assert gatehouse.store.reads == 1
    gatehouse.clock.move(1)
    await gatehouse.authenticator.authenticate([key], None)
    assert gatehouse.store.reads == 2


async def test_guesses_are_not_remembered(gatehouse: Gatehouse) -> None:
    guess = gatehouse.factory.make(KeyStyle.SECRET, KeyEnvironment.LIVE)
    for _ in range(3):
        with pytest.raises(KeyInvalid):
            await gatehouse.authenticator.authenticate([guess], None)
    assert gatehouse.store.reads == 3


async def test_the_memory_is_bounded_and_the_oldest_goes(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "_CACHED_KEYS", 2)
    one, two, three = [await gatehouse.key() for _ in range(3)]
    for key in (one, two, three, three, two):
        await gatehouse.authenticator.authenticate([key], None)
    assert gatehouse.store.reads == 3
    await gatehouse.authenticator.authenticate([one], None)
    assert gatehouse.store.reads == 4


async def test_a_subject_is_provisioned_once(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_KNOWN_SUBJECTS", 1)
    key = await gatehouse.key()
    for _ in range(3):
        principal = await gatehouse.authenticator.authenticate([key], " bert ")
        assert isinstance(principal, Principal)
        assert (principal.owner, principal.actor) == (Owner("acme", "bert"), "anna")
    assert gatehouse.store.writes == 2  # the subject, and the record that somebody acts for the subject
    await gatehouse.authenticator.authenticate([key], "carl")
    await gatehouse.authenticator.authenticate([key], "bert")
    assert gatehouse.store.writes == 5  # carl, that somebody acts for carl, and, forgotten meanwhile, for bert


async def test_a_subjects_role_is_looked_up_once_a_second(gatehouse: Gatehouse) -> None:
    key = await gatehouse.key()
    for _ in range(5):
        await gatehouse.authenticator.authenticate([key], "bert")
    assert gatehouse.store.reads == 2  # the key, and what the subject is
    gatehouse.clock.move(1)
    await gatehouse.authenticator.authenticate([key], "bert")
    assert gatehouse.store.reads == 4


class TrustedTokens:
    """Takes every token for one that says what the test says."""

    def __init__(self, **claims: object) -> None:
        self._claims = claims

    async def verified(self, token: str) -> dict[str, object]:
        """The claims."""
        del token
        return self._claims


async def test_tokens_may_be_bound_to_tenants(gatehouse: Gatehouse) -> None:
    def by_tokens_of(tenant: str) -> Authenticator:
        return Authenticator(
            store=gatehouse.store,  # type: ignore[arg-type]  # as above: a store as far as it is asked
            clock=gatehouse.clock,
            keys=gatehouse.authenticator._keys,
            audit=gatehouse.audit,
            refusals=Refusals(store=gatehouse.store, clock=gatehouse.clock, audit=gatehouse.audit),  # type: ignore[arg-type]  # likewise
            tokens=TrustedTokens(sub="anna", tenant_id=tenant),
            tenants=["acme", "globex"],
        )

    for tenant in ("acme", "globex"):
        principal = await by_tokens_of(tenant).authenticate(["a.b.c"], None)
        assert (principal.owner, principal.key_id, principal.is_person) == (Owner(tenant, "anna"), None, True)
    with pytest.raises(TenantForbidden):
        await by_tokens_of("initech").authenticate(["a.b.c"], None)
    publishable = (await gatehouse.keys.create(Owner("initech", "shop"), scopes=["*"], style=KeyStyle.PUBLISHABLE))[1]
    assert (await by_tokens_of("initech").authenticate(["a.b.c", publishable], None)).owner.tenant == "initech"


async def test_without_an_issuer_no_token_counts(gatehouse: Gatehouse) -> None:
    with pytest.raises(KeyInvalid):
        await gatehouse.authenticator.authenticate(["a.b.c"], None)
    assert gatehouse.store.reads == 0
