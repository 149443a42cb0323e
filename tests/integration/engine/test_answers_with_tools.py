"""Answers that take several rounds, for callers that know of no runs; and what else becomes of their conversations."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.tools.server_config import ToolRule, ToolServerConfig
from server.application.answer_view import CALLING, PAUSED, AnswerPiece, WholeAnswer
from server.application.archive_chat import ArchiveMessage
from server.application.prompts import Prompt, Sent, ShownEvent
from server.application.revisions import Edit, Regeneration
from server.application.runs import SendMessage
from server.application.threads import SettingsChange
from server.application.tool_answers import ToolDecision
from server.application.viewpoints import Viewpoint
from server.domain.conversation import InterruptPolicy
from server.domain.errors import NotAMember
from server.domain.events import MessageCompleted
from server.domain.history_errors import RunActive
from server.domain.ids import ConversationId, default_organization_id
from server.domain.message import Message, Role
from server.domain.organization import MemberRole
from server.domain.run import Run, RunOptions, RunState
from server.domain.tool import ToolPolicy
from server.domain.tool_call_errors import RunAwaitsDecision
from server.ports.provider import ProviderParts
from tests.support.house import ANNA, BERT, QUICK, House
from tests.support.images import DOT
from tests.support.invariants import check_invariants, sqlite_tables
from tests.support.mcp.actions import execute, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider
from tests.support.tool_talk import calls, history, tool_house, waiting
from tests.support.upstream.gate import Gate

LOOK = calls(("bank__look", {}))
PAY = calls(("bank__pay", {}))
LIMITS = replace(QUICK, stream_heartbeat=timedelta(milliseconds=50))


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server with a tool that may be called at once, and one that a person has to approve."""
    server = ScriptedMcp(tmp_path / "mcp")
    server.tool("look", execute(), reply("seen"))
    server.tool("pay", execute(), reply("paid"))
    return server


@pytest.fixture
async def house(tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp) -> AsyncIterator[House]:
    """A house whose thread `talk` has that server."""
    async with tool_house(tmp_path, provider, mixed(mcp, "look"), limits=LIMITS) as opened:
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


def mixed(mcp: ScriptedMcp, *auto: str) -> ToolServerConfig:
    """The server, whose tools of these names may be called at once."""
    return mcp.config("bank", tools={name: ToolRule(ToolPolicy.AUTO) for name in auto})


async def talk(house: House) -> ConversationId:
    """The id of the thread."""
    return (await house.threads.state(ANNA.owner, "talk")).conversation.id


async def prompted(house: House, text: str = "Go") -> Sent:
    return await house.prompts.send(ANNA, Prompt(text, await talk(house), generate_title=False))


async def seen(house: House, sent: Sent) -> list[ShownEvent]:
    return [event async for event in house.prompts.follow(ANNA.owner, sent)]


def joined(events: Sequence[ShownEvent]) -> str:
    return "".join(event.shown.text for event in events if isinstance(event.shown, AnswerPiece))


async def decide(house: House, run: Run, *, approved: bool = True) -> None:
    """Answer everything for which a run waits, once it does."""
    waits = [ToolDecision(call, approved=approved) for call in await waiting(house, run)]
    await house.approvals.decide(ANNA, "talk", waits)


def script(provider: ScriptedProvider) -> None:
    """An answer of three rounds, the second of which has to be approved."""
    provider.script("Let me ", "look.", LOOK)
    provider.script("I have to pay.", PAY)
    provider.script("All ", "done.")


async def test_a_stream_shows_every_round_in_order_and_stays_while_the_run_waits(house: House) -> None:
    script(house.provider)
    sent = await prompted(house)
    viewer = asyncio.ensure_future(seen(house, sent))
    await decide(house, sent.run)
    shown = await viewer
    assert joined(shown) == "Let me look.I have to pay.All done."
    assert shown[-1].shown == WholeAnswer("Let me look.I have to pay.All done.")
    sentences = [each.shown for each in shown]
    assert sentences.index(CALLING) < sentences.index(PAUSED) < sentences.index(CALLING, sentences.index(PAUSED))


async def test_a_stream_goes_on_wherever_it_was_cut(house: House) -> None:
    script(house.provider)
    sent = await prompted(house)
    await decide(house, sent.run)
    whole = await seen(house, sent)
    for number, event in enumerate(whole[:-1], 1):
        assert event.sequence is not None
        for attempt in (sent.attempt, 2):
            again = await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id, attempt, event.sequence))
            rest = await seen(house, again)
            if attempt == sent.attempt:
                assert rest == whole[number:]
            assert rest[-1].shown == whole[-1].shown
    late = await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id))
    assert late.attempt == 2
    assert joined(await seen(house, late)) == joined(whole)


async def test_a_crash_in_a_later_round_voids_nothing_of_the_earlier_ones(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    server = mixed(mcp, "look", "pay")
    provider.script("Let me look.", LOOK)
    provider.script("So th", Gate())
    async with tool_house(tmp_path, provider, server, limits=LIMITS) as house:
        sent = await prompted(house)
        async with aclosing(house.prompts.follow(ANNA.owner, sent)) as events:
            before: list[ShownEvent] = []
            while joined(before) != "Let me look.So th":
                before.append(await anext(events))
    provider.script("So then.")
    async with tool_house(tmp_path, provider, server, limits=LIMITS) as house:
        assert before[-1].sequence is not None
        again = await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id, sent.attempt, before[-1].sequence))
        behind = await seen(house, again)
        assert joined(before) + joined(behind) == "Let me look.So then."
        assert behind[-1].shown == WholeAnswer("Let me look.So then.")
        assert joined(await seen(house, await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id)))) == (
            "Let me look.So then."
        )
    assert len(mcp.calls()) == 1


@pytest.mark.parametrize("approved", [True, False])
async def test_who_waits_for_a_whole_answer_learns_at_once_that_it_waits_itself(
    house: House, *, approved: bool
) -> None:
    script(house.provider)
    sent = await prompted(house)
    with pytest.raises(RunAwaitsDecision) as refused:
        await house.prompts.answer(ANNA.owner, sent)
    assert (refused.value.metadata["run_id"], refused.value.metadata["status"]) == (sent.run.id, "AWAITING_APPROVAL")
    with pytest.raises(RunAwaitsDecision):
        await house.archive_chat.answer(ANNA.owner, sent.run)
    await decide(house, sent.run, approved=approved)
    await house.ended(sent.run)
    assert await house.prompts.answer(ANNA.owner, sent) == "All done."
    assert (await house.archive_chat.answer(ANNA.owner, sent.run)).content == "All done."
    assert (await history(house))[-1].content == "All done."


async def test_who_waits_behind_a_run_that_waits_learns_of_that_one(house: House) -> None:
    script(house.provider)
    house.provider.script("Hello")
    first = await prompted(house)
    await waiting(house, first.run)
    second = await prompted(house, "Hi")
    third = await house.archive_chat.send(ANNA, ArchiveMessage("Ho", await talk(house)))
    for answer in (house.prompts.answer(ANNA.owner, second), house.archive_chat.answer(ANNA.owner, third)):
        with pytest.raises(RunAwaitsDecision) as refused:
            await asyncio.wait_for(answer, 20)
        assert refused.value.metadata["run_id"] == first.run.id
    await decide(house, first.run)
    assert await house.prompts.answer(ANNA.owner, second) == "Hello"


async def test_who_waits_already_when_the_run_before_it_is_parked_learns_of_it(house: House) -> None:
    gate = Gate()
    house.provider.script(gate, PAY)
    house.provider.script("Paid.")
    house.provider.script("Hello")
    first = await prompted(house)
    await gate.reached()
    second = await prompted(house, "Hi")
    answer = asyncio.ensure_future(house.prompts.answer(ANNA.owner, second))
    gate.open()
    with pytest.raises(RunAwaitsDecision) as refused:
        await asyncio.wait_for(answer, 20)
    assert refused.value.metadata["run_id"] == first.run.id
    await decide(house, first.run)
    assert await house.prompts.answer(ANNA.owner, second) == "Hello"


def assert_valid(messages: Sequence[Message]) -> None:
    """Each call has its one result, right behind what asks for it, and no result is without its call."""
    left: list[str] = []
    for message in messages:
        if message.role is Role.TOOL:
            assert message.tool_call_id in left
            left.remove(message.tool_call_id)
        else:
            assert left == []
            left = [call.id for call in message.tool_calls]
    assert left == []


async def two_turns(house: House) -> list[Message]:
    """A turn with two rounds of tools, two calls in the first, and a plain one behind it."""
    house.provider.script("Let me look.", calls(("bank__look", {}), ("bank__look", {})))
    house.provider.script(LOOK)
    house.provider.script("Seen.")
    house.provider.script("Bye.")
    await house.ended(await house.send("Look"))
    await house.ended(await house.send("Bye"))
    messages = await history(house)
    assert len(messages) == 9
    return messages


async def test_a_fork_at_any_message_of_a_turn_with_tools_can_go_on(house: House) -> None:
    for number, message in enumerate(await two_turns(house)):
        await house.forks.fork(ANNA, "talk", upto=message.id, new_key=f"fork {number}", name="")
        copy = await history(house, f"fork {number}")
        assert_valid(copy)
        house.provider.script("Go on.")
        run = await house.send("And?", to=f"fork {number}")
        assert (await house.ended(run)).state is RunState.COMPLETED
        sent = house.provider.requests[-1].messages
        assert len(sent) == len(copy) + 1
        assert_valid(await history(house, f"fork {number}"))


async def test_any_answer_of_a_turn_with_tools_is_made_anew_from_its_question_on(house: House) -> None:
    turn = await two_turns(house)
    for message in [message for message in turn[:7] if message.role is Role.ASSISTANT]:
        house.provider.script("Again.", LOOK)
        house.provider.script("Seen again.")
        run = await house.runs.send(ANNA, SendMessage("talk", "", revision=Regeneration(message.id)))
        assert (await house.ended(run)).state is RunState.COMPLETED
        assert [each.content for each in await history(house)] == ["Look", "Again.", "seen", "Seen again."]
        assert [each.content for each in house.provider.requests[-2].messages] == ["Look"]
    listed = (await house.threads.messages(ANNA.owner, "talk", page_size=0, page_token="", branch=1)).items
    assert [each.id for each in listed] == [each.id for each in turn]


async def test_an_edit_in_front_of_a_turn_with_tools_leaves_it_in_its_branch(house: House) -> None:
    turn = await two_turns(house)
    house.provider.script("Nothing to see.")
    await house.ended(await house.runs.send(ANNA, SendMessage("talk", "Sleep", revision=Edit(turn[0].id))))
    assert [message.content for message in await history(house)] == ["Sleep", "Nothing to see."]
    await house.branches.switch(ANNA, "talk", 1)
    assert [message.id for message in await history(house)] == [message.id for message in turn]
    house.provider.script("Still here.")
    assert (await house.ended(await house.send("Still?"))).state is RunState.COMPLETED
    assert_valid(await history(house))


async def test_while_a_run_waits_no_branch_is_switched_and_nothing_behind_it_revised(house: House) -> None:
    turn = await two_turns(house)
    house.provider.script("Nothing to see.")
    await house.ended(await house.runs.send(ANNA, SendMessage("talk", "Sleep", revision=Edit(turn[0].id))))
    house.provider.script(PAY)
    house.provider.script("Paid.")
    run = await house.send("Pay")
    await waiting(house, run)
    with pytest.raises(RunActive):
        await house.branches.switch(ANNA, "talk", 1)
    with pytest.raises(RunActive):
        await house.runs.send(ANNA, SendMessage("talk", "Wake", revision=Edit(turn[0].id)))
    await decide(house, run)
    assert (await house.ended(run)).state is RunState.COMPLETED


async def test_a_deleted_conversation_takes_what_waits_along(house: House, tmp_path: Path, mcp: ScriptedMcp) -> None:
    script(house.provider)
    sent = await prompted(house)
    await waiting(house, sent.run)
    await house.archive.delete(ANNA, await talk(house))
    tables = sqlite_tables(tmp_path / "house.db")
    assert (tables.tool_calls, tables.approvals, tables.runs, tables.messages) == ([], [], [], [])
    assert [call.tool for call in mcp.calls()] == ["look"]


async def test_an_archived_chat_goes_on_when_it_is_decided(house: House, mcp: ScriptedMcp) -> None:
    script(house.provider)
    sent = await prompted(house)
    await waiting(house, sent.run)
    await house.chats.archive(ANNA, await talk(house))
    await decide(house, sent.run)
    assert (await house.ended(sent.run)).state is RunState.COMPLETED
    assert [call.tool for call in mcp.calls()] == ["look", "pay"]


async def test_a_message_that_interrupts_a_run_that_waits_is_answered_at_once(house: House, mcp: ScriptedMcp) -> None:
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
    house.provider.script("Let me pay.", PAY)
    house.provider.script("Good.")
    first = await prompted(house)
    await waiting(house, first.run)
    assert await house.prompts.answer(ANNA.owner, await prompted(house, "Leave it")) == "Good."
    assert [message.role.value for message in await history(house)] == [
        *("user", "assistant", "tool", "user", "assistant"),
    ]
    assert_valid(await history(house))
    assert mcp.calls() == []


async def test_an_image_is_drawn_behind_a_turn_with_tools(house: House) -> None:
    await two_turns(house)
    house.provider.script_image(DOT)
    drawn = await house.archive_chat.send(
        ANNA, ArchiveMessage("A dot", await talk(house), options=RunOptions(image=True))
    )
    assert (await house.archive_chat.answer(ANNA.owner, drawn)).image is not None
    house.provider.script("A dot.")
    assert await house.prompts.answer(ANNA.owner, await prompted(house, "What is it?")) == "A dot."
    assert_valid(await history(house))


async def test_whoever_is_removed_from_the_organization_decides_and_is_answered_all_the_same(house: House) -> None:
    """A conversation is its user's; the organization is only one of the ways to it."""
    home = default_organization_id(ANNA.owner.tenant)
    await house.organizations.set_member(ANNA, home, user="bert", role=MemberRole.OWNER)
    script(house.provider)
    sent = await prompted(house)
    await waiting(house, sent.run)
    await house.organizations.remove_member(BERT, home, user="anna")
    with pytest.raises(NotAMember):
        await house.conversations.all(ANNA.owner, home)
    await decide(house, sent.run)
    assert await house.prompts.answer(ANNA.owner, sent) == "All done."


async def test_the_log_holds_nothing_that_is_the_providers_alone(house: House, tmp_path: Path) -> None:
    """The history does, for the provider wants it back."""
    house.provider.script("Let me look.", ProviderParts('{"signature": "s3cret"}'), LOOK)
    house.provider.script("Seen.")
    sent = await prompted(house)
    await house.ended(sent.run)
    tables = sqlite_tables(tmp_path / "house.db")
    assert "s3cret" not in str(tables.events)
    assert "s3cret" in str(tables.messages)
    asking = (await history(house))[1]
    assert asking.tool_calls[0].provider_id == "p0"
    assert '"p0"' not in str(tables.events)
    shown = [
        event.payload.message for event in await house.events(sent.run) if isinstance(event.payload, MessageCompleted)
    ]
    assert [(call.id, call.arguments) for call in shown[0].tool_calls] == [
        (call.id, call.arguments) for call in asking.tool_calls
    ]


async def test_an_answer_for_which_tools_were_called_is_not_kept_for_others(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    """What a tool said yesterday is no answer to today's question."""
    limits = replace(LIMITS, cache_lifetime=timedelta(hours=1))
    async with tool_house(tmp_path, provider, mixed(mcp, "look"), limits=limits) as house:
        for number in range(2):
            await house.threads.create(ANNA, name="Talk", key=f"talk {number}")
            await house.threads.configure_settings(ANNA, f"talk {number}", SettingsChange(mcp_servers=("bank",)))
            provider.script("Let me look.", LOOK)
            provider.script(f"Seen {number}.")
            chat = (await house.threads.state(ANNA.owner, f"talk {number}")).conversation.id
            sent = await house.prompts.send(ANNA, Prompt("What is new?", chat, generate_title=False))
            assert await house.prompts.answer(ANNA.owner, sent) == f"Seen {number}."
    assert len(mcp.calls()) == 2
