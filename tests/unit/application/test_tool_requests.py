"""What is offered to a model, and what becomes of whatever it asks for."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from server.adapters.tools.schemas import JsonSchemas
from server.application.tool_offer import Offer, offer_of
from server.application.tool_requests import JudgedCall, ToolRequests, invocations
from server.domain.conversation import Settings
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, MessageId, RunId, ToolCallId
from server.domain.principal import Owner
from server.domain.run import PLAIN, Run, RunOptions, RunState
from server.domain.tool import ServerTool, ToolCallState, ToolPolicy, ToolSpec
from server.ports.provider import RequestedCall

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANY = '{"type":"object"}'
SCHEMA = '{"properties":{"n":{"type":"integer"}},"required":["n"],"type":"object"}'
RUN = Run(
    id=RunId("run_1"),
    owner=Owner("acme", "anna"),
    conversation_id=ConversationId("c"),
    conversation_key="talk",
    state=RunState.RUNNING,
    user_message_id=MessageId("q"),
    model="m",
    provider="p",
    generation=GenerationConfig(),
    created_at=NOW,
    epoch=3,
)


def served(tool: str, policy: ToolPolicy = ToolPolicy.AUTO, *, schema: str = ANY) -> ServerTool:
    return ServerTool("bank", tool, ToolSpec(f"bank__{tool}", "", schema), policy, is_repeatable=tool == "look")


OFFER = offer_of(
    Settings(client_tools=(ToolSpec("beep", "", SCHEMA),)),
    PLAIN,
    [served("look"), served("pay", ToolPolicy.APPROVAL, schema=SCHEMA), served("rob", ToolPolicy.DENY)],
    most=128,
)


def judged(*asked: RequestedCall, most: int = 128, is_cut: bool = False) -> list[JudgedCall]:
    numbers = count()
    requests = ToolRequests(schemas=JsonSchemas(), new_id=lambda: ToolCallId(f"call_{next(numbers)}"), most=most)
    return requests.judged(asked, OFFER, is_cut=is_cut)


def asks(name: str, arguments: str = '{"n": 1}') -> RequestedCall:
    return RequestedCall("p", name, arguments)


def test_what_the_operator_denies_is_not_offered() -> None:
    assert list(OFFER.tools) == ["beep", "bank__look", "bank__pay"]
    assert [spec.name for spec in OFFER.specs] == list(OFFER.tools)


def test_a_messages_own_tools_come_first_and_instead() -> None:
    settings = Settings(client_tools=(ToolSpec("a", "old", ANY), ToolSpec("b", "", ANY)))
    options = RunOptions(client_tools=(ToolSpec("a", "new", ANY), ToolSpec("c", "", ANY)))
    offer = offer_of(settings, options, [served("look"), served("look")], most=3, is_open=False)
    assert [(spec.name, spec.description) for spec in offer.specs] == [("a", "new"), ("c", ""), ("b", "")]
    assert (offer.left_out, offer.is_open) == (1, False)


def test_a_call_runs_or_waits_as_its_tool_says() -> None:
    found = judged(asks("bank__look"), asks("bank__pay"), asks("beep"))
    assert [call.state for call in found] == [
        ToolCallState.READY,
        ToolCallState.AWAITING_APPROVAL,
        ToolCallState.AWAITING_CLIENT,
    ]


def test_no_arguments_are_the_empty_object() -> None:
    assert [call.state for call in judged(asks("bank__look", ""), asks("bank__look", "  "))] == [
        ToolCallState.READY
    ] * 2


def test_what_cannot_be_called_is_refused_and_said_why() -> None:
    found = judged(asks("bank__rob"), asks(""), asks("bank__pay", "{"), asks("beep", '{"n": "x"}'), asks("bank__look"))
    assert [call.state for call in found] == [ToolCallState.REFUSED] * 4 + [ToolCallState.READY]
    assert all(call.refusal.startswith("This tool call was not made: ") for call in found[:4])


def test_of_a_cut_or_endless_answer_nothing_is_called() -> None:
    assert {call.state for call in judged(asks("bank__look"), is_cut=True)} == {ToolCallState.REFUSED}
    many = judged(*[asks("bank__look")] * 5, most=3)
    assert [call.state for call in many] == [ToolCallState.REFUSED] * 3


@given(st.text(), st.text(), st.text())
def test_whatever_a_model_writes_is_judged_and_shown_as_providers_take_it(
    provider_id: str, name: str, arguments: str
) -> None:
    (call,) = judged(RequestedCall(provider_id, name, arguments))
    assert call.state is ToolCallState.REFUSED
    assert 1 <= len(call.shown.name) <= 64
    assert call.shown.name.isascii()
    assert call.shown.arguments == arguments
    assert call.shown.provider_id == (provider_id or None)
    assert call.shown.id == call.id


def test_the_ledger_has_each_call_as_it_was_asked_for() -> None:
    later = NOW + timedelta(hours=1)
    found = judged(asks("bank__look"), asks("bank__pay"), asks("beep"), asks("nothing"))
    look, pay, beep, nothing = invocations(RUN, MessageId("m"), found, now=NOW, expires_at=later)
    assert [call.ordinal for call in (look, pay, beep, nothing)] == [0, 1, 2, 3]
    assert {call.epoch for call in (look, pay, beep, nothing)} == {3}
    assert (look.server, look.tool, look.is_repeatable, look.expires_at) == ("bank", "look", True, None)
    assert (pay.server, pay.tool, pay.is_repeatable, pay.expires_at) == ("bank", "pay", False, later)
    assert (beep.server, beep.tool, beep.is_clients, beep.expires_at) == (None, "", True, later)
    assert (nothing.server, nothing.is_clients, nothing.definition_digest, nothing.ended_at) == (None, False, "", NOW)
    assert json.loads(pay.arguments) == {"n": 1}


def test_nothing_is_offered_where_nothing_is() -> None:
    assert (Offer().specs, Offer().is_open) == ((), True)
