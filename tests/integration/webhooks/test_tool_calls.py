"""Webhooks are told of tool calls that wait for somebody, and of what was decided; not of what is in them."""

from datetime import timedelta
from pathlib import Path

from server.application.tool_answers import ClientResult, ToolDecision
from server.application.webhooks import WebhookWish
from server.domain.run import RunState
from server.domain.webhook import WebhookEvent
from tests.integration.webhooks.hooked import serving
from tests.support.hook_receiver import Request, receiving
from tests.support.house import ANNA
from tests.support.mcp.actions import execute, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider
from tests.support.set_clock import SetClock
from tests.support.tool_talk import NUMBERS, calls, spec, tool_house, waiting

ABOUT_TOOLS = tuple(
    each for each in WebhookEvent if each.value.startswith(("approval.", "client_tools.")) or each == "run.completed"
)


def told(request: Request) -> tuple[str, str | None]:
    """What happened, to which call."""
    return request.told["type"], request.told["data"].get("tool_call_id")


async def test_calls_that_wait_and_what_is_decided_are_told_without_what_is_in_them(tmp_path: Path) -> None:
    bank, provider = ScriptedMcp(tmp_path / "bank"), ScriptedProvider()
    bank.tool("pay", execute(), reply("paid from the vault"))
    beep = spec("beep", "Makes a noise.", NUMBERS)
    async with (
        tool_house(tmp_path, provider, bank.config("bank"), client_tools=(beep,)) as house,
        serving(house.store) as webhooks,
        receiving() as receiver,
    ):
        secret = (await webhooks.create(ANNA, WebhookWish(url=receiver.url, events=ABOUT_TOOLS))).secret
        assert secret is not None
        provider.script(calls(("bank__pay", {"n": 987654}), ("beep", {"n": 2})))
        provider.script("All done")
        run = await house.send("Pay and beep")
        pay, sound = await waiting(house, run)
        await receiver.until(lambda it: len(it.acknowledged) == 2)
        asked = [dict(request.told["data"]) for request in receiver.acknowledged]
        assert [each["run_id"] for each in asked] == [run.id, run.id]
        assert [(each["state"], each.get("server_name")) for each in asked] == [
            ("AWAITING_APPROVAL", "bank"),
            ("AWAITING_CLIENT", None),
        ]
        assert all(each["tool_name"] and each["expires_at"] for each in asked)
        await house.approvals.decide(ANNA, "talk", [ToolDecision(pay, approved=True)])
        await receiver.until(lambda it: len(it.acknowledged) == 3)
        assert receiver.acknowledged[2].told["data"]["decision"] == "APPROVED"
        await waiting(house, run, after=receiver.acknowledged[2].told["data"]["sequence"])
        await house.approvals.submit(ANNA, "talk", [ClientResult(sound, "heard in the cellar")])
        assert (await house.ended(run)).state is RunState.COMPLETED
        await receiver.until(lambda it: len(it.acknowledged) == 4)
        assert [told(request) for request in receiver.acknowledged] == [
            ("approval.requested", pay),
            ("client_tools.requested", sound),
            ("approval.decided", pay),
            ("run.completed", None),
        ]
        assert all(request.is_signed_by(secret) for request in receiver.requests)
        everything = b"".join(request.body for request in receiver.requests)
        for hidden in (b"987654", b"vault", b"cellar", b"All done", b"Pay and"):
            assert hidden not in everything


async def test_an_approval_that_nobody_gives_is_told_of_before_and_when_its_time_is_over(tmp_path: Path) -> None:
    bank, provider, clock = ScriptedMcp(tmp_path / "bank"), ScriptedProvider(), SetClock()
    bank.tool("pay", execute(), reply("paid"))
    async with (
        tool_house(tmp_path, provider, bank.config("bank"), clock=clock) as house,
        serving(house.store) as webhooks,
        receiving() as receiver,
    ):
        await webhooks.create(ANNA, WebhookWish(url=receiver.url, events=ABOUT_TOOLS))
        provider.script(calls(("bank__pay", {"n": 1})))
        provider.script("A pity")
        run = await house.send("Pay")
        (pay,) = await waiting(house, run)
        clock.ahead = timedelta(hours=23, minutes=1)
        await receiver.until(lambda it: len(it.acknowledged) == 2)
        clock.ahead = timedelta(hours=24, minutes=1)
        await receiver.until(lambda it: len(it.acknowledged) == 4)
        assert [told(request) for request in receiver.acknowledged] == [
            ("approval.requested", pay),
            ("approval.expiring", pay),
            ("approval.decided", pay),
            ("run.completed", None),
        ]
        requested, expiring, decided, _ = (request.told["data"] for request in receiver.acknowledged)
        assert requested["expires_at"] == expiring["expires_at"]
        assert decided["decision"] == "EXPIRED"
        assert bank.calls() == []
