"""What is another's is nothing: every field that names something, played with what others have.

Another tenant's name is answered like one that nothing has, byte for byte, over gRPC and over every HTTP route; so is
another user's, but where a document says 403 or the whole tenant knows of the thing. Nothing of theirs is shown, and
nothing of theirs changes. The fields are those of the descriptors: a new one needs its row in `naming/fields.py`.
"""

import asyncio
import base64
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from server.adapters.store.tables import METADATA
from server.domain.ids import default_organization_id
from server.domain.principal import Owner
from tests.contract.api.case import ANNA, ANNA_HERSELF, Call, Caller, Case, Json, Reply, Stream
from tests.contract.api.matching import resolve
from tests.contract.api.naming.fields import NAMED, REPEATED, TOLD_TO_COLLEAGUES, UNOWNED
from tests.contract.api.naming.kinds import MARK, Kind
from tests.contract.api.naming.outcome import Outcome, bindings, over_grpc, over_http
from tests.contract.api.naming.places import Place, places
from tests.contract.api.playing import METHODS, PLAYERS, TENANTS, prepare, request_of
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage
from tests.contract.api.test_cases import CASES
from tests.contract.api.test_refusals import at_rest
from tests.contract.api.test_repeats import WRITES

PLACES: Final = places()
_NAMING: Final = [place for place in PLACES if place.field in NAMED]
_RESUMING: Final = [
    place for place in _NAMING if place.path[-1].name == "last_event_id" and METHODS[place.rpc].server_streaming
]
_STRANGER: Final = Caller(user="mary", tenant="-elsewhere")
_COLLEAGUE: Final = Caller(user="bert")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=run_)[0-9a-f]{32}")
_LAST_USED: Final = "api_keys.last_used_at"
"""Changes with a victim's own calls, some seconds later; so do the counts of `key_usage`."""
OWNED_TABLES: Final = [
    table
    for table in METADATA.sorted_tables
    if {"tenant", "owner"} <= set(table.c.keys()) and table.name != "key_usage"
]
"""The tables that hold what people have."""
_PATIENCE: Final = 60


def base_case(rpc: str) -> Case:
    """A case of the caller's that succeeds: the request in which one name becomes another's."""
    succeeding = [case for case in CASES if case.rpc == rpc and _is_of_anna(case.caller) and _succeeds(case)]
    return min(succeeding, key=lambda case: (not ends(case), case.caller not in (ANNA, ANNA_HERSELF)))


def _is_of_anna(caller: Caller) -> bool:
    return caller.user == "anna" and not caller.tenant and caller.on_behalf_of is None


def _succeeds(case: Case) -> bool:
    return isinstance(case.wants, Reply | Stream)


def ends(case: Case) -> bool:
    """Whether the reply is whole some time: streams may go on."""
    return not isinstance(case.wants, Stream) or case.wants.ends is not None


@dataclass(slots=True)
class _World:
    """A tenant in which the caller is ready to call, and others have something."""

    stage: Stage
    case: Case
    own: dict[str, str]
    names: dict[Caller | None, str] = field(default_factory=dict)
    """What a victim has is called so; nothing is called as for `None`."""

    async def add_victim(self, kind: Kind, victim: Caller) -> str:
        """Let somebody come to have a thing of that kind; returns its name."""
        kept = {
            "organization": default_organization_id(self.stage.tenant + victim.tenant),
            "key": f"talk-of-{victim.user}",
            "other": f"walk-of-{victim.user}",
            "request": f"request-of-{victim.user}",
            "who": victim.user,
            "club": f"{MARK} {victim.user}",
        }
        player = PLAYERS["grpc"](self.stage.served)
        for call in kind.calls:
            await prepare(player, self.stage, replace(call, caller=_as(victim, call)), kept)
        self.names[victim] = kept[kind.name]
        return kept[kind.name]

    async def outcome(self, transport: str, route: int, request: Json, headers: dict[str, str]) -> Outcome:
        """Make the case's call with that request."""
        method = METHODS[self.case.rpc]
        message = request_of(method, request, self.own)
        sent = {**await self.stage.headers(self.case.caller), "x-request-id": "the-request", **headers}
        served = self.stage.served
        async with asyncio.timeout(_PATIENCE):
            if transport == "grpc":
                return await over_grpc(served, method, message, sent)
            client = served.in_process if transport == "http-in-process" else served.through_channel
            return await over_http(client, bindings(method, message)[route], sent)

    def rows(self, victim: Caller) -> dict[str, list[Any]]:
        """Everything that a victim has."""
        owner = Owner(self.stage.tenant + victim.tenant, victim.user)
        found = {}
        with closing(sqlite3.connect(self.stage.served.database)) as connection:
            for table in OWNED_TABLES:
                columns = [column.name for column in table.c if f"{table.name}.{column.name}" != _LAST_USED]
                sql = f"SELECT {', '.join(columns)} FROM {table.name} WHERE tenant = ? AND owner = ?"
                found[table.name] = sorted(connection.execute(sql, (owner.tenant, owner.user)), key=repr)
        return found


def _as(victim: Caller, call: Call) -> Caller:
    """Who makes a call by which the victim comes to have something."""
    if call.caller != ANNA:
        return replace(call.caller, tenant=victim.tenant, on_behalf_of=victim.user)
    return replace(victim, key="token") if "KeyService" in call.rpc else victim


async def _world(served: Served, case: Case, kind: Kind) -> _World:
    stage = Stage(served, f"foreign-{next(TENANTS)}")
    for caller in (ANNA, _COLLEAGUE, _STRANGER):  # who comes first owns the organization
        await stage.headers(caller)
    world = _World(stage, case, stage.kept)
    for call in case.before:
        await prepare(PLAYERS["grpc"](served), stage, call, world.own)
    for victim in (_STRANGER,) if kind.tenant_knows else (_STRANGER, _COLLEAGUE):
        await world.add_victim(kind, victim)
    for tenant in (stage.tenant, stage.tenant + _STRANGER.tenant):
        await at_rest(served, tenant)
    world.names[None] = kind.missing or _token_of_nobody(world.names[_STRANGER])
    return world


def _token_of_nobody(token: str) -> str:
    """A page's token with ids in it that nothing has."""
    told = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    nobodys = _ID.sub(lambda found: re.sub("[0-9a-f]", "0", found[0]), told)
    return base64.urlsafe_b64encode(nobodys.encode()).decode().rstrip("=")


def _routes(transport: str, rpc: str) -> int:
    method = METHODS[rpc]
    return 1 if transport == "grpc" else len(bindings(method, request_of(method, {}, {})))


async def _play(
    served: Served, place: Place, transport: str, route: int, *, in_header: str = ""
) -> dict[Caller | None, Outcome]:
    """Outcomes of a call with a name that nothing has, and with those of victims, by victim. Fails when a victim's
    things change, or are shown."""
    kind, case = NAMED[place.field], base_case(place.rpc)
    world = await _world(served, case, kind)
    found: dict[Caller | None, Outcome] = {}
    for victim in (None, *(name for name in world.names if name is not None)):
        if None in found and not found[None].is_refusal:
            world = await _world(served, case, kind)  # what succeeds may change what comes after it
        name = world.names[victim]
        request = resolve(case.request, world.own)
        headers = {in_header: name} if in_header else {}
        if not in_header:
            request = place.put(request, kind.shape(name))
            if place.field in REPEATED:
                request = {**request, REPEATED[place.field]: name}
        before = {each: world.rows(each) for each in world.names if each}
        assert victim is None or not kind.missing or name.partition(":")[0] in repr(before[victim])
        outcome = await world.outcome(transport, route, request, headers)
        assert {each: world.rows(each) for each in world.names if each} == before
        assert MARK.encode() not in outcome.body + repr(outcome.headers).encode()
        found[victim] = outcome.but_for(name)
    return found


def test_every_field_that_can_name_something_says_what_it_names() -> None:
    fields = {place.field for place in PLACES}
    missing = sorted(fields - NAMED.keys() - UNOWNED.keys())
    assert not missing, (
        f"{missing}: a field of a request that names an object stands in NAMED of tests/contract/api/naming/fields.py "
        "with the kind of what it names (a new kind goes into kinds.py, with the calls by which a victim comes to have "
        "one); a field that names nothing of an owner's stands in UNOWNED there, with the reason"
    )
    assert not NAMED.keys() & UNOWNED.keys()
    assert NAMED.keys() | UNOWNED.keys() == fields
    assert TOLD_TO_COLLEAGUES.keys() <= NAMED.keys()
    assert len(_RESUMING) >= 3


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", PLAYERS)
@pytest.mark.parametrize("place", _NAMING, ids=str)
async def test_what_is_anothers_is_answered_like_what_is_not_there(
    served: Served, place: Place, transport: str
) -> None:
    for route in range(_routes(transport, place.rpc)):
        outcomes = await _play(served, place, transport, route)
        assert outcomes[_STRANGER] == outcomes[None]
        if place.field in TOLD_TO_COLLEAGUES:
            assert outcomes[_COLLEAGUE].status in ("PERMISSION_DENIED", "403")
        elif _COLLEAGUE in outcomes:
            assert outcomes[_COLLEAGUE] == outcomes[None]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", [name for name in PLAYERS if name != "grpc"])
@pytest.mark.parametrize("place", _RESUMING, ids=str)
async def test_so_is_the_event_that_a_header_names(served: Served, place: Place, transport: str) -> None:
    outcomes = await _play(served, place, transport, 0, in_header="last-event-id")
    assert outcomes[None].is_refusal
    assert set(outcomes.values()) == {outcomes[None]}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.rpc)
async def test_anothers_idempotency_key_is_nobodys(served: Served, case: Case) -> None:
    """Neither is a write taken for theirs, nor refused as another of the same key."""
    played = []
    for victim in (None, _STRANGER, _COLLEAGUE):
        stage = Stage(served, f"foreign-{next(TENANTS)}")
        await stage.headers(ANNA)
        world = _World(stage, case, stage.kept)
        for call in case.before:
            await prepare(PLAYERS["grpc"](served), stage, call, world.own)
        key = {"idempotency-key": "one key"}
        if victim is not None:
            theirs = _World(stage, _MAKES, {})
            theirs.case = replace(_MAKES, caller=victim)
            assert not (await theirs.outcome("grpc", 0, _MAKES.request, key)).is_refusal
        played.append(await world.outcome("grpc", 0, resolve(case.request, world.own), key))
        assert MARK.encode() not in played[-1].body
    assert [outcome.is_refusal for outcome in played] == [False] * 3
    if not METHODS[case.rpc].server_streaming:
        assert len({outcome.but_for("one key") for outcome in played}) == 1


_MAKES: Final = Case(
    "a thread of a victim's",
    "parley.v1.ThreadService/CreateThread",
    {"conversation_key": "theirs", "name": MARK},
    Reply({}),
)
