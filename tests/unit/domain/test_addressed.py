"""What belongs to one provider is shown to no other, and every call goes by the id that its result bears."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.addressed import addressed
from server.domain.context import PromptMessage
from server.domain.message import Role, ToolCall
from server.domain.origin import Origin

ACME, OTHER = Origin("acme", "large"), Origin("other", "large")


def asked(origin: Origin | None, *calls: ToolCall, parts: str | None = None) -> PromptMessage:
    return PromptMessage(Role.ASSISTANT, "", calls, origin=origin, provider_parts=parts)


def result(call_id: str) -> PromptMessage:
    return PromptMessage(Role.TOOL, "done", tool_call_id=call_id)


def ids(messages: tuple[PromptMessage, ...]) -> list[str | None]:
    """Every id in order."""
    return [
        one
        for message in messages
        for one in ([call.id for call in message.tool_calls] if message.tool_calls else [message.tool_call_id])
    ]


HISTORY = (asked(ACME, ToolCall("call_1", "get", "{}", "acme-1")), result("call_1"))


def test_a_provider_gets_its_own_ids_back_with_the_call_and_with_its_result() -> None:
    assert ids(addressed(HISTORY, ACME)) == ["acme-1", "acme-1"]
    assert ids(addressed(HISTORY, Origin("acme", "small"))) == ["acme-1", "acme-1"]


def test_another_provider_gets_the_service_s_own() -> None:
    assert ids(addressed(HISTORY, OTHER)) == ["call_1", "call_1"]


def test_a_call_without_an_id_of_its_provider_goes_by_the_service_s_own() -> None:
    history = (asked(ACME, ToolCall("call_1", "get", "{}", ""), ToolCall("call_2", "get", "{}")), result("call_2"))
    assert ids(addressed(history, ACME)) == ["call_1", "call_2", "call_2"]


def test_ids_that_a_provider_gave_twice_name_no_call() -> None:
    again = (asked(ACME, ToolCall("call_2", "get", "{}", "acme-1")), result("call_2"))
    assert ids(addressed(HISTORY + again, ACME)) == ["call_1", "call_1", "call_2", "call_2"]


def test_an_id_that_is_the_service_s_own_of_another_call_names_that_one() -> None:
    other = (asked(ACME, ToolCall("call_2", "get", "{}", "call_1")), result("call_2"))
    assert ids(addressed(HISTORY + other, ACME)) == ["acme-1", "acme-1", "call_2", "call_2"]


def test_parts_are_for_the_model_that_sent_them() -> None:
    history = (asked(ACME, parts="{}"), asked(None, parts="{}"))
    assert [message.provider_parts for message in addressed(history, ACME)] == ["{}", None]
    for target in (OTHER, Origin("acme", "small")):
        assert [message.provider_parts for message in addressed(history, target)] == [None, None]


origins = st.builds(Origin, st.sampled_from(["acme", "other", "third"]), st.sampled_from(["large", "small"]))


@st.composite
def histories(draw: st.DrawFn) -> tuple[PromptMessage, ...]:
    """Calls and results of several origins, whose ids and parts name their origin."""
    messages: list[PromptMessage] = []
    for place, origin in enumerate(draw(st.lists(st.none() | origins, max_size=8))):
        mark = f"<{origin.provider}/{origin.model}>" if origin else "<nobody>"
        provider_ids = draw(st.lists(st.sampled_from([None, "", "0"]) | st.integers(1, 99).map(str), max_size=3))
        calls = tuple(
            ToolCall(f"call_{place}_{at}", "get", "{}", given and f"{mark}{given}")
            for at, given in enumerate(provider_ids)
        )
        messages.append(asked(origin, *calls, parts=draw(st.none() | st.just(f'{{"{mark}":1}}'))))
        messages += [result(call.id) for call in calls]
    return tuple(messages)


@given(histories(), origins)
def test_nothing_of_one_provider_is_shown_to_another(history: tuple[PromptMessage, ...], target: Origin) -> None:
    for message in addressed(history, target):
        shown = [*(call.id for call in message.tool_calls), message.tool_call_id or ""]
        assert all(f"<{target.provider}/" in one for one in shown if "<" in one)
        assert all(call.provider_id is None for call in message.tool_calls)
        assert message.provider_parts is None or f"<{target.provider}/{target.model}>" in message.provider_parts


@given(histories(), origins)
def test_every_result_bears_the_one_id_of_its_call(history: tuple[PromptMessage, ...], target: Origin) -> None:
    messages = addressed(history, target)
    called = [call.id for message in messages for call in message.tool_calls]
    assert len(set(called)) == len(called)
    assert [message.tool_call_id for message in messages if message.role is Role.TOOL] == called
    assert [message.content for message in messages] == [message.content for message in history]
