"""A call does what its caller may do, and no longer: guardrails, keys, members, tools that wait for a yes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.adapters.guardrails.configuration import load_guardrails
from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.guard import Guard
from server.application.key_operation import Keys
from server.application.keys import KeyFactory
from server.application.tool_answers import ToolDecision
from server.domain.ids import default_organization_id
from server.domain.key import ApiKey
from server.domain.organization import Member, MemberRole
from server.domain.principal import Principal
from server.domain.voice import End
from tests.support.mcp.actions import execute, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider
from tests.support.tool_talk import calls, open_talk
from tests.support.voice.exchange import ANNA, Exchange, open_exchange, until

GUARD = Guard(load_guardrails({"guardrails": {"words": ["unspeakable"]}}).rules)


async def ended(exchange: Exchange) -> End:
    """Why the one session ended."""
    await until(lambda: exchange.figures.ends != [])
    return exchange.figures.ends[0]


@pytest.fixture
async def guarded(tmp_path: Path, provider: ScriptedProvider) -> AsyncIterator[Exchange]:
    """An exchange where not everything may be said."""
    async with open_exchange(tmp_path, provider, guard=GUARD) as opened:
        await opened.house.threads.create(ANNA, name="Talk", key="talk")
        yield opened


async def _key(exchange: Exchange, *scopes: str) -> tuple[Keys, ApiKey, Principal]:
    ids, clock = SystemIds(), SystemClock()
    keys = Keys(
        store=exchange.house.store,
        clock=clock,
        ids=ids,
        factory=KeyFactory(b"pepper of these tests"),
        audit=Audit(clock=clock, ids=ids),
    )
    key, _ = await keys.create(ANNA.owner, scopes=scopes)
    return keys, key, Principal(ANNA.owner, key.scopes, key.id)


async def test_what_the_guardrails_refuse_is_not_sent(guarded: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Fine.")
    _, bot = await guarded.call()
    bot.say("heard", turn=1, text="something unspeakable")
    assert [each["type"] for each in await bot.told_until("ended")] == ["notice", "ended"]
    bot.say("heard", turn=2, text="something else")
    assert await bot.answer() == "Fine."
    assert [content for _, content, _ in await guarded.said()] == ["something else", "Fine."]


async def test_what_the_guardrails_refuse_of_an_answer_is_not_spoken(
    guarded: Exchange, provider: ScriptedProvider
) -> None:
    provider.script("This is ", "unspeakable.")
    _, bot = await guarded.call()
    bot.say("heard", turn=1, text="Well?")
    told = await bot.told_until("ended")
    assert "unspeakable" not in "".join(each.get("text", "") for each in told)
    assert told[-1]["status"] == "FAILED"


async def test_a_call_goes_by_its_key_as_long_as_that_is_good(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Yes.")
    keys, key, by = await _key(exchange, "voice:create")
    _, bot = await exchange.call(by=by)
    bot.say("heard", turn=1, text="Am I in?")
    assert await bot.answer() == "Yes."
    await keys.revoke(key.id)
    bot.say("heard", turn=2, text="Still?")
    assert await ended(exchange) is End.UNAUTHORISED
    assert [content for _, content, _ in await exchange.said()] == ["Am I in?", "Yes."]


async def test_who_is_removed_from_the_tenant_says_nothing_more(exchange: Exchange) -> None:
    _, bot = await exchange.call()
    gone = Member(ANNA.owner.user, MemberRole.MEMBER, is_active=False, created_at=datetime.now(UTC))
    organization = default_organization_id(ANNA.owner.tenant)
    await exchange.house.store.write_system(lambda tx: tx.set_member(ANNA.owner.tenant, organization, gone))
    bot.say("heard", turn=1, text="Still?")
    assert await ended(exchange) is End.UNAUTHORISED
    assert await exchange.said() == []


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server whose tool is called once a person has said yes."""
    server = ScriptedMcp(tmp_path / "mcp")
    server.tool("pay", execute(), reply("paid"))
    return server


async def test_a_tool_that_needs_a_yes_is_announced_and_the_answer_goes_on_behind_it(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    provider.script("I will pay. ", calls(("bank__pay", {})))
    provider.script("It is paid.")
    config = mcp.config("bank")
    async with open_exchange(tmp_path, provider, tools=(config,)) as exchange:
        await open_talk(exchange.house, "talk", "bank")
        _, bot = await exchange.call()
        bot.say("heard", turn=1, text="Pay")
        told = await bot.told_until("ended")
        assert [each["type"] for each in told[-2:]] == ["notice", "ended"]
        assert told[-1]["status"] == "AWAITING_APPROVAL"
        (pending,) = await exchange.house.approvals.pending(ANNA.owner, "talk")
        decision = ToolDecision(pending.call.id, approved=True)
        await exchange.house.approvals.decide(ANNA, "talk", [decision])
        more = await bot.told_until("ended")
        assert "".join(each["text"] for each in more[:-1]).strip() == "It is paid."
        assert more[-1]["status"] == "COMPLETED"
        bot.say("spoken", turn=1, text="I will pay. It is", done=True)
        await exchange.spoken(-1)
        assert [each for each in await exchange.said() if each[0] == "assistant"] == [
            ("assistant", "I will pay. ", "I will pay. "),
            ("assistant", "It is paid.", "It is"),
        ]


async def test_who_acts_for_another_is_told_of_with_every_turn(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Yes.")
    by = replace(ANNA, actor="bert")
    _, bot = await exchange.call(by=by)
    bot.say("heard", turn=1, text="It is me, Bert")
    await bot.told_until("ended")
    assert (await exchange.messages())[0].actor == "bert"
