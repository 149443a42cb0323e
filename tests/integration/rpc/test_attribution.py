"""Who made, changed and looked at a conversation is who acted, whoever's conversation it is; and when is when."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from server.domain.conversation import Conversation
from server.domain.ids import ConversationId, default_organization_id, user_id
from server.domain.principal import Owner
from server.domain.run import RunState
from server.rpc.codecs.event import encode_event
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.serving import Served, serve

TENANT = "acme"
ANNA, BOT = user_id(TENANT, "anna"), user_id(TENANT, "bot")
OWNER = Owner(TENANT, "anna")
THREADS = "/api/v1/llm/gateway"
CONVERSATIONS = "/api/conversation"
TALK: dict[str, Any] = {"conversation_key": "talk"}
CHANGES: dict[str, dict[str, Any]] = {
    "update-thread": {"name": "New"},
    "update-default-generation-config": {"generation_config": {"model": "second"}},
    "update-settings": {"settings": {"system_prompt": "Be kind."}},
    "update-context-management-settings": {"context_management_settings": {"max_history_messages": 3}},
}


@dataclass
class Desk:
    """Anna, and a bot that acts for her with a key of its own."""

    served: Served
    anna: dict[str, str]
    bot: dict[str, str]

    async def call(self, method: str, by: dict[str, str], **fields: Any) -> Any:
        """Call a method of the threads API."""
        reply = await self.served.in_process.post(f"{THREADS}/{method}", json={**TALK, **fields}, headers=by)
        return reply.raise_for_status()

    async def send(self, by: dict[str, str], content: str, **fields: Any) -> str:
        """Send a message; returns its run's id."""
        reply = await self.call("send-message", by, user_message={"content": content}, **fields)
        return str(reply.json()["runId"])

    async def found(self) -> Conversation:
        """The conversation as it is stored."""
        found = await self.served.house.store.read(OWNER, lambda tx: tx.conversations.get("talk"))
        assert found is not None
        return found

    async def by_id(self, identity: ConversationId) -> Conversation:
        """A conversation as it is stored."""
        found = await self.served.house.store.read(OWNER, lambda tx: tx.conversations.by_id(identity))
        assert found is not None
        return found

    async def ended(self, run_id: str, state: RunState) -> Any:
        """The run, once it is over."""
        run = (await self.call_run("get-run", run_id)).json()
        async for _ in self.served.house.streams.run(OWNER, run["id"], after=0):
            pass
        run = (await self.call_run("get-run", run_id)).json()
        assert run["status"] == state
        return run

    async def log(self) -> list[dict[str, Any]]:
        """The conversation's events as they are stored and every stream shows them: kind, actor, who ended it."""
        found = await self.found()
        events = await self.served.house.store.read(OWNER, lambda tx: tx.events.after(found.id, 0, limit=100))
        return [json_format.MessageToDict(encode_event(event)) for event in events]

    async def call_run(self, method: str, run_id: str, by: dict[str, str] | None = None) -> Any:
        """Call a method of the threads API about a run."""
        reply = await self.served.in_process.post(
            f"{THREADS}/{method}", json={"run_id": run_id}, headers=by or self.anna
        )
        return reply.raise_for_status()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with serve(tmp_path, provider=DirectedProvider()) as served:
        _, anna = await served.key("anna", tenant=TENANT)
        _, bot = await served.key("bot", tenant=TENANT)
        yield Desk(served, {"x-api-key": anna}, {"x-api-key": bot, "x-on-behalf-of": "anna"})


async def test_a_thread_is_made_by_who_acts_and_belongs_to_whom_it_is_for(desk: Desk) -> None:
    await desk.call("create-thread", desk.bot, name="Talk")
    made = await desk.found()
    assert (made.created_by, made.updated_by, made.owner.user_id) == (BOT, BOT, ANNA)
    assert (made.accessed_by, made.accessed_at, made.created_at) == (None, None, made.updated_at)


@pytest.mark.parametrize("method", CHANGES)
async def test_a_change_is_who_makes_its(desk: Desk, method: str) -> None:
    await desk.call("create-thread", desk.anna)
    made = await desk.found()
    await desk.call(method, desk.bot, **CHANGES[method])
    changed = await desk.found()
    assert (changed.created_by, changed.updated_by, changed.created_at) == (ANNA, BOT, made.created_at)
    assert changed.updated_at > made.updated_at


async def test_looking_changes_nothing_where_looks_do_not_count(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    made = await desk.found()
    for method in ("get-thread", "conversation-state", "list-messages", "list-runs"):
        await desk.call(method, desk.bot)
    assert await desk.found() == made


async def test_a_send_and_the_end_of_its_run_are_the_senders(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    run = await desk.ended(await desk.send(desk.bot, "hi", generation_config={"model": "second"}), RunState.COMPLETED)
    answered = await desk.found()
    assert (answered.created_by, answered.updated_by, answered.model) == (ANNA, BOT, "second")
    assert run["endedAt"].startswith(answered.updated_at.strftime("%Y-%m-%dT%H:%M:%S"))
    await desk.ended(await desk.send(desk.anna, "hi"), RunState.COMPLETED)
    again = await desk.found()
    assert (again.updated_by, again.model) == (ANNA, "first")
    assert again.updated_at > answered.updated_at


@pytest.mark.parametrize("waits", [False, True], ids=["running", "queued"])
async def test_a_cancelled_run_is_ended_by_who_cancels_it(desk: Desk, waits: bool) -> None:
    await desk.call("create-thread", desk.anna)
    run_id = await desk.send(desk.bot, "hold")
    if waits:
        run_id = await desk.send(desk.bot, "hi")
    assert (await desk.found()).updated_by == BOT
    await desk.call_run("cancel-run", run_id, desk.anna)
    assert (await desk.found()).updated_by == ANNA


async def test_an_interrupt_is_the_later_senders(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    await desk.send(desk.bot, "hold")
    await desk.ended(await desk.send(desk.anna, "hi", interrupt_policy="INTERRUPT"), RunState.COMPLETED)
    assert (await desk.found()).updated_by == ANNA


async def test_every_event_of_a_run_bears_who_sent_its_message(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    await desk.ended(await desk.send(desk.bot, "hi"), RunState.COMPLETED)
    of_bot = await desk.log()
    assert {event.get("actor") for event in of_bot} == {"bot"}
    assert "endedBy" not in of_bot[-1]["runEnded"]
    await desk.ended(await desk.send(desk.anna, "hi"), RunState.COMPLETED)
    assert {event.get("actor") for event in (await desk.log())[len(of_bot) :]} == {None}


@pytest.mark.parametrize("waits", [False, True], ids=["running", "queued"])
@pytest.mark.parametrize("by", ["anna", "bot"])
async def test_the_end_of_a_run_tells_who_cancelled_it(desk: Desk, by: str, waits: bool) -> None:
    await desk.call("create-thread", desk.anna)
    run_id = await desk.send(desk.bot if by == "anna" else desk.anna, "hold")
    if waits:
        run_id = await desk.send(desk.bot if by == "anna" else desk.anna, "hi")
    await desk.call_run("cancel-run", run_id, {"anna": desk.anna, "bot": desk.bot}[by])
    ended = next(event for event in await desk.log() if "runEnded" in event)
    assert (ended["runId"], ended["runEnded"]["status"], ended["runEnded"]["endedBy"]) == (run_id, "CANCELLED", by)
    assert ended.get("actor") == ("bot" if by == "bot" else None)


async def test_the_end_of_an_interrupted_run_tells_who_interrupted_it(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    await desk.send(desk.anna, "hold")
    await desk.ended(await desk.send(desk.bot, "hi", interrupt_policy="INTERRUPT"), RunState.COMPLETED)
    ended = next(event for event in await desk.log() if "runEnded" in event)
    assert (ended["runEnded"]["status"], ended["runEnded"]["endedBy"], ended["actor"]) == ("INTERRUPTED", "bot", "bot")


async def test_a_branch_and_a_way_back_bear_who_took_them(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    await desk.ended(await desk.send(desk.anna, "hi"), RunState.COMPLETED)
    again = (await desk.call("regenerate", desk.bot)).json()["runId"]
    await desk.ended(again, RunState.COMPLETED)
    await desk.call("switch-branch", desk.bot, branch=1)
    await desk.call("switch-branch", desk.anna, branch=2)
    taken = [event.get("actor") for event in await desk.log() if "branchActivated" in event]
    assert taken == ["bot", "bot", None]


async def test_an_image_is_its_senders_and_changes_no_model_that_writes(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    await desk.ended(await desk.send(desk.bot, "a dot", image=True), RunState.COMPLETED)
    drawn = await desk.found()
    assert (drawn.updated_by, drawn.model, drawn.image_model) == (BOT, "first", "painter")


async def test_a_look_that_counts_is_who_looks(desk: Desk) -> None:
    await desk.call("create-thread", desk.anna)
    made = await desk.found()
    looked = await desk.served.in_process.post(f"/api/v3/conversation/get?entity_id={made.id}", headers=desk.bot)
    assert looked.status_code == 200
    seen = await desk.found()
    assert (seen.accessed_by, seen.updated_by, seen.updated_at) == (BOT, ANNA, made.updated_at)
    assert seen.accessed_at is not None
    assert seen.accessed_at > made.created_at


async def test_a_conversation_of_an_organization_is_made_and_spoken_in_by_who_acts(desk: Desk) -> None:
    client, there = desk.served.in_process, {"org_id": default_organization_id(TENANT)}

    async def post(method: str, body: Any) -> Any:
        reply = await client.post(f"{CONVERSATIONS}/{method}", params=there, json=body, headers=desk.bot)
        return reply.raise_for_status()

    made = (await post("create", {"title": "Talk"})).json()
    identity = ConversationId((made.get("conversation") or made)["id"])
    second = desk.served.house.models.resolve("second")
    opened = (await post("create_session", {"conversation_id": identity, "model_id": second.id})).json()
    first = await desk.by_id(identity)
    assert (first.created_by, first.updated_by, first.owner.user_id) == (BOT, BOT, ANNA)
    session = (opened.get("session") or opened)["id"]
    await post("stream_chat", {"chat_session_id": session, "message": "hi"})
    spoken = await desk.by_id(identity)
    assert (spoken.created_by, spoken.updated_by, spoken.model) == (BOT, BOT, "second")
    assert spoken.updated_at > first.updated_at
