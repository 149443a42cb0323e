"""What one API makes, every other shows; what one destroys is gone from all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from server.domain.principal import Owner
from server.ports.store import Transaction
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.serving import Served, serve
from tests.integration.doors.doors import ArchiveDoor, ChatDoor, ConversationsDoor, Door, ThreadsDoor
from tests.integration.doors.events import events

DOORS: Final[dict[str, type[Any]]] = {
    "threads": ThreadsDoor,
    "archive": ArchiveDoor,
    "chat": ChatDoor,
    "conversations": ConversationsDoor,
}
# The chat API takes chats away, but destroys none; the archive API cannot rename.
DESTROYING: Final = ("threads", "archive", "conversations")
RENAMING: Final = ("threads", "chat", "conversations")
# The archive shows milliseconds.
SHOWN: Final = timedelta(milliseconds=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One service for all tests."""
    async with serve(tmp_path_factory.mktemp("doors"), provider=DirectedProvider()) as running:
        yield running


@dataclass(frozen=True, slots=True)
class User:
    """Somebody new, with a key that opens every door."""

    tenant: str
    key: str
    served: Served

    def door(self, name: str) -> Any:
        """A door of the user's."""
        return DOORS[name](self.served.in_process, self.key)


@pytest_asyncio.fixture(loop_scope="module")
async def anna(served: Served, request: pytest.FixtureRequest) -> User:
    """A user of a tenant of the test's own."""
    tenant = f"tenant of {request.node.name}"
    stored, key = await served.key("anna", tenant=tenant)
    await served.house.store.write_system(lambda tx: tx.provision(stored.owner, stored.created_at))
    return User(tenant, key, served)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(("made", "shown"), list(product(DOORS, DOORS)))
async def test_what_one_door_makes_the_other_shows(anna: User, made: str, shown: str) -> None:
    maker, other = anna.door(made), anna.door(shown)
    identity = await maker.make("A talk", "Hello")
    listed = (await other.listed())[identity]
    own = (await maker.listed())[identity]
    assert listed.name == own.name == "A talk"
    for one, another in ((listed.created_at, own.created_at), (listed.updated_at, own.updated_at)):
        assert one is None or another is None or abs(one - another) < SHOWN
    assert listed.model in (None, "first")
    said, own_said = await other.said(identity), await maker.said(identity)
    assert [(each.role, each.text) for each in said] == [("user", "Hello"), ("assistant", "You said: Hello")]
    assert [each.id for each in said] == [each.id for each in own_said]
    assert all(abs(one.time - another.time) < SHOWN for one, another in zip(said, own_said, strict=True))
    assert said[0].model is None
    assert said[1].model in (None, "first")


@pytest.mark.parametrize(("made", "continued"), list(product(DOORS, DOORS)))
async def test_what_one_door_makes_the_other_continues(anna: User, made: str, continued: str) -> None:
    maker = anna.door(made)
    identity = await maker.make("A talk", "Hello")
    await anna.door(continued).send(identity, "And more")
    texts = [each.text for each in await maker.said(identity)]
    assert texts == ["Hello", "You said: Hello", "And more", "You said: And more"]
    assert len(await maker.listed()) == 1


@pytest.mark.parametrize(("made", "renamed"), list(product(DOORS, RENAMING)))
async def test_a_new_name_shows_through_every_door(anna: User, made: str, renamed: str) -> None:
    identity = await anna.door(made).make("A talk", "Hello")
    await anna.door(renamed).rename(identity, "Another name")
    for name in DOORS:
        assert (await anna.door(name).listed())[identity].name == "Another name", name


@pytest.mark.parametrize(("made", "destroyed"), list(product(DOORS, DESTROYING)))
async def test_what_one_door_destroys_is_gone_from_all(anna: User, made: str, destroyed: str) -> None:
    gone = await anna.door(made).make("Gone", "Hello")
    kept = await anna.door(made).make("Kept", "Hello")
    await anna.door(destroyed).delete(gone)
    for name in DOORS:
        door: Door = anna.door(name)
        assert list(await door.listed()) == [kept], name
        if name != "threads":  # it finds conversations by key, and there is none to find it by
            with pytest.raises(httpx.HTTPStatusError) as refused:
                await door.said(gone)
            assert refused.value.response.status_code == httpx.codes.NOT_FOUND, name


@pytest.mark.parametrize(("made", "destroyed"), list(product(DOORS, DESTROYING)))
async def test_destroying_ends_the_run_and_its_streams(anna: User, made: str, destroyed: str) -> None:
    store, owner = anna.served.house.store, Owner(anna.tenant, "anna")
    identity = await anna.door(made).make("A talk", "Hello")
    headers = {"authorization": f"Bearer {anna.key}"}
    key = await ThreadsDoor(anna.served.in_process, anna.key).key(identity)
    message = {"conversation_key": key, "user_message": {"role": "user", "content": "hold"}}
    request = anna.served.in_process.build_request(
        "POST", "/api/v1/llm/gateway/generate", headers=headers, json=message
    )
    viewer = await anna.served.in_process.send(request, stream=True)
    seen = events(viewer)
    while (event := await anext(seen))[0] != "text_delta":
        pass
    run_id = event[1]["runId"]
    provider = anna.served.house.provider
    assert isinstance(provider, DirectedProvider)
    assert provider.holding == 1
    async with asyncio.timeout(20):
        await anna.door(destroyed).delete(identity)
        rest = [name async for name, _ in seen]
    await viewer.aclose()
    assert rest == [] or rest[-1] in ("error", "run_ended", "end")
    assert provider.holding == 0

    async def left(tx: Transaction) -> list[object]:
        return [await tx.runs.get(run_id), await tx.conversations.by_id(identity)]

    assert await store.read(owner, left) == [None, None]


@pytest.mark.parametrize("made", DOORS)
async def test_a_chat_that_is_archived_leaves_the_chat_api_alone(anna: User, made: str) -> None:
    identity = await anna.door(made).make("A talk", "Hello")
    chat = anna.door("chat")
    await chat.call("DELETE", f"/chat/archive/{identity}")
    assert await chat.listed() == {}
    for name in ("threads", "archive", "conversations"):
        assert identity in await anna.door(name).listed(), name


async def test_another_user_sees_nothing_through_any_door(anna: User) -> None:
    identity = await anna.door("threads").make("A talk", "Hello")
    stored, key = await anna.served.key("bert", tenant=anna.tenant)
    await anna.served.house.store.write_system(lambda tx: tx.provision(stored.owner, stored.created_at))
    bert = User(anna.tenant, key, anna.served)
    for name in DOORS:
        assert await bert.door(name).listed() == {}, name
        if name != "threads":
            with pytest.raises(httpx.HTTPStatusError) as refused:
                await bert.door(name).said(identity)
            # The archive's document says 403 where the others tell nothing.
            wanted = httpx.codes.FORBIDDEN if name == "archive" else httpx.codes.NOT_FOUND
            assert refused.value.response.status_code == wanted, name
