"""Conversations whose model uses tools, through every door: each shows what its document knows, all agree, and a run
that waits for somebody keeps nobody from anything."""

import asyncio
from collections.abc import AsyncIterator
from itertools import product
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from server.domain.ids import ConversationId
from server.domain.principal import Owner
from server.ports.store import Transaction
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.serving import Served, serve
from tests.integration.doors.doors import ThreadsDoor
from tests.integration.doors.events import events
from tests.integration.doors.test_one_store import DESTROYING, DOORS, RENAMING, User
from tests.support.invariants import check_invariants

PREFIX: Final = "/api/v1/llm/gateway"
BEEPER: Final = {
    "name": "beep",
    "inputSchema": {"type": "object", "properties": {"times": {"type": "integer"}}, "required": ["times"]},
}
# A call that the service itself answers, and one for which it waits.
REFUSED: Final = '/call beep {"times": "two"}'
BEEP: Final = '/call beep {"times": 2}'
ALL_ROLES: Final = ["user", "assistant", "user", "assistant", "tool", "assistant"]
SHOWN_ROLES: Final = {
    "threads": ALL_ROLES,
    "archive": ALL_ROLES,
    "chat": ["user", "assistant", "user", "assistant"],
    "conversations": ["user", "assistant", "user", "assistant"],
}
"""What the documents know: the first two speak of tools, the others do not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One service for all tests; afterwards the invariants must hold."""
    async with serve(tmp_path_factory.mktemp("doors"), provider=DirectedProvider()) as running:
        yield running
    check_invariants(running.database, settled=False)


@pytest_asyncio.fixture(loop_scope="module")
async def anna(served: Served, request: pytest.FixtureRequest) -> User:
    """A user of a tenant of the test's own."""
    tenant = f"tenant of {request.node.name}"
    stored, key = await served.key("anna", tenant=tenant)
    await served.house.store.write_system(lambda tx: tx.provision(stored.owner, stored.created_at))
    return User(tenant, key, served)


pytestmark = pytest.mark.asyncio(loop_scope="module")


def threads(anna: User) -> ThreadsDoor:
    """The door through which tools are given, and answered for."""
    return ThreadsDoor(anna.served.in_process, anna.key)


async def make(anna: User, door: str) -> str:
    """A conversation made through a door, whose client has a tool."""
    identity: str = await anna.door(door).make("A talk", "Hello")
    settings = {"conversation_key": await threads(anna).key(identity), "settings": {"clientTools": {"tools": [BEEPER]}}}
    await threads(anna).call("POST", f"{PREFIX}/update-settings", settings)
    return identity


async def park(anna: User, identity: str) -> None:
    """Let a run of it wait for its client."""
    key = await threads(anna).key(identity)
    body = {"conversation_key": key, "user_message": {"role": "user", "content": BEEP}}
    headers = {"authorization": f"Bearer {anna.key}"}
    request = anna.served.in_process.build_request("POST", f"{PREFIX}/generate", headers=headers, json=body)
    viewer = await anna.served.in_process.send(request, stream=True)
    seen = events(viewer)
    while (await anext(seen))[0] != "run_paused":
        pass
    await viewer.aclose()


async def answer(anna: User, identity: str, text: str) -> None:
    """Give the client's result for everything that waits in it."""
    key = await threads(anna).key(identity)
    state = await threads(anna).call("POST", f"{PREFIX}/conversation-state", {"conversation_key": key})
    results = [{"tool_call_id": each["toolCallId"], "result": text} for each in state["pendingClientToolCalls"]]
    assert results
    body = {"conversation_key": key, "tool_results": results}
    await threads(anna).call("POST", f"{PREFIX}/submit-client-tool-results", body)


async def until_said(door: Any, identity: str, text: str) -> None:
    """Wait until the last message is that."""
    async with asyncio.timeout(20):
        while (await door.said(identity))[-1].text != text:  # noqa: ASYNC110 - a door can only be asked again
            await asyncio.sleep(0.01)


async def left_of(anna: User, identity: str) -> list[object]:
    """What the store has of a conversation."""
    named = ConversationId(identity)

    async def unit(tx: Transaction) -> list[object]:
        found = await tx.conversations.by_id(named)
        runs = await tx.runs.page(named, limit=9, after=None)
        return [*([found] if found else []), *runs, *await tx.messages.history(named)]

    return await anna.served.house.store.read(Owner(anna.tenant, "anna"), unit)


@pytest.mark.parametrize(("made", "continued"), list(product(DOORS, DOORS)))
async def test_every_door_continues_with_tools_and_shows_what_it_knows(anna: User, made: str, continued: str) -> None:
    identity = await make(anna, made)
    await anna.door(continued).send(identity, REFUSED)
    whole = await threads(anna).said(identity)
    assert whole[-1].text.startswith("You said: This tool call was not made: ")
    for name, roles in SHOWN_ROLES.items():
        said = await anna.door(name).said(identity)
        assert [each.role for each in said] == roles, name
        ids = [each.id for each in said]
        assert ids == [each.id for each in whole if each.id in ids], name
        assert {each.id: each.text or "" for each in said} == {each.id: each.text for each in whole if each.id in ids}
        assert (await anna.door(name).listed())[identity].name == "A talk"


async def test_the_archive_writes_null_where_a_message_has_no_text(anna: User) -> None:
    identity = await make(anna, "archive")
    await anna.door("archive").send(identity, REFUSED)
    (found,) = await anna.door("archive").call("POST", "/api/v3/conversation/find", {})
    assert [message["content"] is None for message in found["messages"]] == [False] * 3 + [True, False, False]
    keys = {"id", "timestamp", "role", "content", "reasoning_content", "model", "img_gen"}
    assert all(set(message) == keys for message in found["messages"])
    assert [message["model"] for message in found["messages"]] == [None, "first", None, "first", None, "first"]


async def test_pages_of_what_was_said_neither_repeat_nor_skip(anna: User) -> None:
    identity = await make(anna, "chat")
    for _ in range(3):
        await anna.door("chat").send(identity, REFUSED)
    whole = [each.id for each in await anna.door("chat").said(identity)]
    assert len(whole) == 8
    organization = (await anna.door("conversations").call("GET", "/api/org/list"))[0]["id"]
    names = {"org_id": organization, "conversation_id": identity}
    for size in (1, 3, 8):
        chat, forward, backward = list[str](), list[str](), list[str]()
        for offset in range(0, 8, size):
            page = {"limit": size, "offset": offset}
            one = await anna.door("chat").call("GET", f"/chat/messages/{identity}", **page)
            two = await anna.door("conversations").call("GET", "/api/conversation/messages", **names, **page)
            three = await anna.door("conversations").call(
                "GET", "/api/conversation/messages", order="desc", **names, **page
            )
            for found, into in ((one, chat), (two, forward), (three, backward)):
                assert (found["total"], found["has_more"]) == (8, offset + size < 8)
                into += [message["id"] for message in found["messages"]]
        assert chat == forward == backward[::-1] == whole


@pytest.mark.parametrize(("made", "continued"), list(product(DOORS, ("chat", "archive"))))
async def test_who_sends_behind_a_run_that_waits_is_told_and_answered_later(
    anna: User, made: str, continued: str
) -> None:
    identity = await make(anna, made)
    await park(anna, identity)
    with pytest.raises(httpx.HTTPStatusError) as refused:
        await anna.door(continued).send(identity, "And more")
    reply = refused.value.response
    documented = {"chat": (422, {"success", "message"}), "archive": (400, {"detail"})}[continued]
    assert (reply.status_code, set(reply.json())) == documented
    assert "AWAITING_CLIENT_TOOLS" in reply.text
    await answer(anna, identity, "beeped")
    await until_said(anna.door(continued), identity, "You said: And more")
    texts = [each.text for each in await anna.door("chat").said(identity)]
    assert texts == ["Hello", "You said: Hello", BEEP, "You said: beeped", "And more", "You said: And more"]


@pytest.mark.parametrize("made", DOORS)
async def test_a_stream_behind_a_run_that_waits_stays_and_tells_the_answer(anna: User, made: str) -> None:
    identity = await make(anna, made)
    await park(anna, identity)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for name in ("threads", "conversations"):
            group.create_task(anna.door(name).send(identity, f"Through {name}"))
        group.create_task(
            anna.door("chat").stream("/chat/prompt/stream", {"message": "Through chat", "chat_id": identity})
        )
        group.create_task(
            anna.door("archive").stream(
                "/api/v3/chat", {"message": "Through archive", "conversation_id": identity, "stream": True}
            )
        )
        while len(await left_of(anna, identity)) < 1 + 2 + 4 + 4:  # noqa: ASYNC110 - until all wait
            await asyncio.sleep(0.01)
        await answer(anna, identity, "beeped")
    texts = [each.text for each in await anna.door("chat").said(identity)]
    assert {text for text in texts if text.startswith("You said: Through")} == {
        f"You said: Through {name}" for name in DOORS
    }


@pytest.mark.parametrize(("made", "renamed"), list(product(DOORS, RENAMING)))
async def test_a_conversation_whose_run_waits_is_renamed(anna: User, made: str, renamed: str) -> None:
    identity = await make(anna, made)
    await park(anna, identity)
    await anna.door(renamed).rename(identity, "Another name")
    for name in DOORS:
        assert (await anna.door(name).listed())[identity].name == "Another name", name
    await answer(anna, identity, "beeped")
    await until_said(anna.door(made), identity, "You said: beeped")
    assert (await anna.door(made).listed())[identity].name == "Another name"


@pytest.mark.parametrize(("made", "destroyed"), list(product(DOORS, DESTROYING)))
async def test_a_conversation_whose_run_waits_is_destroyed_with_all_that_waits(
    anna: User, made: str, destroyed: str
) -> None:
    identity = await make(anna, made)
    await park(anna, identity)
    waiting = asyncio.create_task(
        anna.door("chat").stream("/chat/prompt/stream", {"message": "Wait", "chat_id": identity})
    )
    while len(await left_of(anna, identity)) < 1 + 3 + 4:  # noqa: ASYNC110 - until it waits
        await asyncio.sleep(0.01)
    await anna.door(destroyed).delete(identity)
    async with asyncio.timeout(20):
        assert (await waiting)[-1][0] == "error"
    assert await left_of(anna, identity) == []
    for name in DOORS:
        assert await anna.door(name).listed() == {}, name
