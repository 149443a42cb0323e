"""Every contract case, played over every transport; and no RPC without its cases."""

from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from server.rpc.services import DESCRIPTORS
from tests.contract.api.case import Case, Json, Refused, Reply, Stream
from tests.contract.api.cases import (
    access,
    archive,
    attachment,
    audit,
    branch,
    chat,
    context,
    conversation_changes,
    conversations,
    data,
    file,
    key,
    large,
    mcp,
    memory,
    organizations,
    roles,
    run,
    search,
    storage,
    thread,
    tool,
    usage,
    voice,
    webhook,
)
from tests.contract.api.matching import differences, resolve
from tests.contract.api.player import CallRefused, Player, drain
from tests.contract.api.playing import METHODS, PLAYERS, TENANTS, json_of, play, prepare, request_of
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage

CASES: list[Case] = [
    *(*thread.CASES, *tool.CASES, *run.CASES, *branch.CASES, *file.CASES, *archive.CASES, *chat.CASES, *mcp.CASES),
    *(*conversations.CASES, *conversation_changes.CASES, *organizations.CASES, *roles.CASES),
    *(*context.CASES, *large.CASES, *key.CASES, *audit.CASES, *search.CASES, *storage.CASES, *access.CASES),
    *(*usage.CASES, *memory.CASES, *data.CASES, *attachment.CASES, *voice.CASES, *webhook.CASES),
]


# The service is the same for all cases, so they share its loop.
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", PLAYERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(served: Served, transport: str, case: Case) -> None:
    stage = Stage(served, f"case-{next(TENANTS)}")
    player, kept = PLAYERS[transport](served), stage.kept
    for call in case.before:
        await prepare(player, stage, call, kept)
    method = METHODS[case.rpc]
    request, headers = request_of(method, case.request, kept), await stage.headers(case.caller)
    match case.wants:
        case Reply(contains):
            found = list(differences(json_of(await player.unary(method, request, headers)), resolve(contains, kept)))
        case Stream(begins, ends):
            messages = await drain(
                player.stream(method, request, headers), at_most=None if ends is not None else len(begins)
            )
            found = list(_stream_differences([json_of(message) for message in messages], begins, ends, kept))
        case Refused():
            found = list(_refusal_differences(await _refusal(player, method, request, headers), case.wants, player))
    assert not found, "\n".join(found)


def test_every_rpc_of_the_descriptors_is_registered() -> None:
    registered = {f"{service.full_name}/{method.name}" for service in DESCRIPTORS for method in service.methods}
    assert registered == set(METHODS)


@pytest.mark.parametrize("rpc", METHODS)
def test_every_rpc_has_a_case_that_succeeds_and_one_of_its_own_that_fails(rpc: str) -> None:
    own = [case for case in CASES if case.rpc == rpc and case not in access.CASES]
    assert any(isinstance(case.wants, Reply | Stream) for case in own)
    assert any(isinstance(case.wants, Refused) for case in own) or not METHODS[rpc].input_type.fields


def test_every_rpc_of_an_organization_has_a_row_in_the_matrix_of_roles() -> None:
    assert set(roles.ROWS) == roles.RPCS
    for rpc, row in roles.ROWS.items():
        assert (row.least is None) == ("org_id" not in METHODS[rpc].input_type.fields_by_name)


def test_case_names_are_unique() -> None:
    assert len({(case.rpc, case.name) for case in CASES}) == len(CASES)


async def _refusal(player: Player, method: MethodDescriptor, request: Message, headers: dict[str, str]) -> CallRefused:
    with pytest.raises(CallRefused) as caught:
        await play(player, method, request, headers)
    return caught.value


def _refusal_differences(refused: CallRefused, wanted: Refused, player: Player) -> list[str]:
    got = refused.refusal
    pairs = {
        "code": (got.code, wanted.code),
        "reason": (got.reason, wanted.reason),
        "http_status": (got.http_status, wanted.http),
        "fields": (got.fields, wanted.fields),
        "detail": (got.detail, wanted.detail),
    }
    shown = player.shows if got.detail is None else {"detail", "http_status"}
    shown = shown - {"reason", "fields"} if got.is_plain else shown
    return [
        f"{name}: {one!r} is not {other!r}"
        for name, (one, other) in pairs.items()
        if name in shown and other is not None and list(differences(one, other))
    ]


def _stream_differences(
    got: list[Any], begins: tuple[Json, ...], ends: tuple[Json, ...] | None, kept: dict[str, str]
) -> list[str]:
    if ends is not None and not begins and not ends and got:
        return [f"the stream should be empty: {got!r}"]
    head, tail = got[: len(begins)], got[len(got) - len(ends) :] if ends else []
    return [
        *differences(head, resolve(begins, kept), "begins"),
        *differences(tail, resolve(ends or (), kept), "ends"),
    ]
