"""What breaks a rule of the operator is neither stored nor sent nor shown, whoever says it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from server.adapters.figures import PrometheusFigures
from server.adapters.guardrails.configuration import load_guardrails
from server.application.guard import Guard
from server.application.prompts import Prompt
from server.application.threads import SettingsChange
from server.domain.errors import ConversationNotFound
from server.domain.events import MessageCompleted, ReasoningDelta, TextDelta
from server.domain.guardrail_errors import ContentRefused, GuardrailUnavailable
from server.domain.ids import default_organization_id
from server.domain.limits import Limits
from server.domain.run import Run, RunState
from server.domain.title import DEFAULT_TITLE
from server.ports.guardrails import Guardrails, Rule, TextFilter
from server.ports.provider import ProviderError, ReasoningPiece
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import Endless, ScriptedProvider, usage
from tests.support.upstream.gate import Gate

RULES = {"words": ["darn"], "phrases": ["go away"], "patterns": [r"\d{4}-\d{4}"]}


class BrokenGuardrails:
    """Rules that cannot be applied."""

    version = "broken"

    def broken_by(self, text: str) -> Rule | None:
        """Fails, saying what it was asked."""
        raise UnicodeError(text)

    def filter(self) -> TextFilter:
        """A filter that fails."""
        return BrokenFilter()


class OnlyAnswersBroken(BrokenGuardrails):
    """Rules that can be applied to messages alone."""

    def broken_by(self, text: str) -> Rule | None:
        """Nothing is broken."""
        return None


class BrokenFilter:
    """Lets one piece through."""

    def add(self, text: str) -> str:
        """Fails for anything but the first piece."""
        if text != "Hello":
            raise MemoryError
        return text

    def end(self) -> str:
        """Fails."""
        raise MemoryError


@pytest.fixture
def figures() -> CollectorRegistry:
    """What operators see."""
    return CollectorRegistry()


@pytest.fixture
async def house(tmp_path: Path, provider: ScriptedProvider, figures: CollectorRegistry) -> AsyncIterator[House]:
    """A house with rules."""
    async with guarded_house(tmp_path, provider, figures) as opened:
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


def guarded_house(
    folder: Path, provider: ScriptedProvider, figures: CollectorRegistry, *, limits: Limits = QUICK, **rules: list[str]
) -> AbstractAsyncContextManager[House]:
    """A house with Anna's thread `talk`, under the rules given or `RULES`."""
    compiled = load_guardrails({"guardrails": rules or RULES}).rules
    guard = Guard(compiled, message="Not here.", figures=PrometheusFigures(figures))
    return open_talk(folder, provider, guard, limits=limits)


@asynccontextmanager
async def open_talk(
    folder: Path, provider: ScriptedProvider, guard: Guard, *, limits: Limits = QUICK
) -> AsyncIterator[House]:
    """A house with Anna's thread `talk`."""
    async with open_house(folder, provider, guard=guard, limits=limits) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        yield house


async def shown(house: House, run: Run) -> tuple[str, str]:
    """Text and reasoning that the run's viewers saw in pieces."""
    payloads = [event.payload for event in await house.events(run)]
    return (
        "".join(payload.text for payload in payloads if isinstance(payload, TextDelta)),
        "".join(payload.text for payload in payloads if isinstance(payload, ReasoningDelta)),
    )


def refusals(figures: CollectorRegistry, spoken: str, cause: str) -> float | None:
    return figures.get_sample_value("parley_guardrail_refusals_total", {"spoken": spoken, "cause": cause})


@pytest.mark.parametrize("text", ["Oh DARN.", "would you GO\n away", "card 1234-5678", "d\u200barn"])
async def test_a_refused_message_is_not_stored_and_reaches_no_model(house: House, text: str) -> None:
    with pytest.raises(ContentRefused, match=r"^Not here\.$"):
        await house.send(text)
    assert await house.said() == []
    assert house.provider.requests == []
    assert (await house.runs.page(ANNA.owner, "talk", page_size=9, page_token="")).items == []


async def test_names_titles_and_prompts_are_texts_too(house: House) -> None:
    with pytest.raises(ContentRefused):
        await house.threads.create(ANNA, name="Darn", key="other")
    with pytest.raises(ConversationNotFound):
        await house.threads.get(ANNA.owner, "other")
    with pytest.raises(ContentRefused):
        await house.threads.update(ANNA, "talk", name="go away", archived=True)
    with pytest.raises(ContentRefused):
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(system_prompt="Say darn."))
    with pytest.raises(ContentRefused):
        await house.conversations.create(ANNA, default_organization_id("acme"), title="1234-5678", archived=False)
    found = await house.threads.page(ANNA.owner, page_size=0, page_token="", include_archived=True)
    assert [(each.conversation.name, each.conversation.archived) for each in found.items] == [("Talk", False)]
    assert found.items[0].conversation.settings.system_prompt is None


async def test_a_refused_prompt_makes_no_chat(house: House) -> None:
    with pytest.raises(ContentRefused):
        await house.prompts.send(ANNA, Prompt("darn"))
    found = await house.chats.slice(ANNA.owner, offset=0, limit=9)
    assert [chat.name for chat in found.chats] == ["Talk"]


async def test_a_title_that_the_model_may_not_say_is_none(house: House) -> None:
    # The answer and the title are asked for side by side, and say the same.
    for _ in range(2):
        house.provider.script("Darn")
    sent = await house.prompts.send(ANNA, Prompt("hi"))
    assert sent.titling is not None
    assert await sent.titling.title(within=10) is None
    assert (await house.ended(sent.run)).reason == "ANSWER_REFUSED"
    chat = await house.threads.get(ANNA.owner, sent.run.conversation_key)
    assert chat.conversation.name == DEFAULT_TITLE


async def test_operators_are_told_which_kind_of_rule_refused_what(house: House, figures: CollectorRegistry) -> None:
    for text in ("darn", "go away", "go  away"):
        with pytest.raises(ContentRefused):
            await house.send(text)
    house.provider.script("Darn!")
    await house.ended(await house.send("hi"))
    assert refusals(figures, "message", "word") == 1
    assert refusals(figures, "message", "phrase") == 2
    assert refusals(figures, "answer", "word") == 1


async def test_what_breaks_a_rule_in_an_answer_never_leaves_and_the_model_is_left_at_once(house: House) -> None:
    shut = Gate()
    house.provider.script("Well, D", "arn", " it", shut, " and more")
    run = await house.send("hi")
    ended = await house.ended(run)
    assert (ended.state, ended.reason, ended.message) == (RunState.FAILED, "ANSWER_REFUSED", "Not here.")
    assert await shown(house, run) == ("Well, ", "")
    assert await house.said() == [("user", "hi", "COMPLETE"), ("assistant", "Well, ", "FAILED")]
    await house.provider.idle()
    assert house.provider.streams_abandoned == 1
    assert not [event for event in await house.events(run) if "arn" in repr(event.payload)]


async def test_reasoning_is_judged_like_text_and_apart_from_it(house: House) -> None:
    house.provider.script(ReasoningPiece("They say go"), "d 1234", ReasoningPiece(" on"), "arn away -5678")
    run = await house.send("hi")
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert await shown(house, run) == ("d 1234arn away -5678", "They say go on")
    house.provider.script(ReasoningPiece("They say d"), ReasoningPiece("arn."), "Hello")
    run = await house.send("hi")
    assert (await house.ended(run)).reason == "ANSWER_REFUSED"
    assert await shown(house, run) == ("", "They say ")


async def test_an_answer_that_breaks_no_rule_is_whole(house: House) -> None:
    house.provider.script("Call 12", "34-56", ReasoningPiece("go"), " 78 or d", "a", usage(1, 2))
    run = await house.send("hi")
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert await shown(house, run) == ("Call 1234-56 78 or da", "go")
    completed = (await house.events(run))[-2].payload
    assert isinstance(completed, MessageCompleted)
    assert completed.message.content == "Call 1234-56 78 or da"
    assert completed.message.usage is not None


async def test_what_was_held_back_of_a_cut_answer_is_kept_when_it_is_clean(house: House) -> None:
    house.provider.script("Please go", ProviderError("PROVIDER_STREAM_CUT", "cut"))
    assert (await house.ended(await house.send("hi"))).reason == "PROVIDER_STREAM_CUT"
    house.provider.script("Oh darn", ProviderError("PROVIDER_STREAM_CUT", "cut"))
    assert (await house.ended(await house.send("hi"))).reason == "PROVIDER_STREAM_CUT"
    assert [text for role, text, _ in await house.said() if role == "assistant"] == ["Please go", "Oh "]


async def test_an_endless_answer_that_is_all_held_back_ends_at_its_limit(
    tmp_path: Path, provider: ScriptedProvider, figures: CollectorRegistry
) -> None:
    provider.script(Endless("x" * 1000))
    limits = replace(QUICK, run_output_bytes=10_000)
    async with guarded_house(tmp_path, provider, figures, limits=limits, patterns=["a.*b"]) as house:
        run = await house.send("hi")
        assert (await house.ended(run)).reason == "OUTPUT_TOO_LONG"
        assert len((await shown(house, run))[0]) == 11_000


async def test_a_guardrail_that_fails_lets_nothing_pass(
    tmp_path: Path, provider: ScriptedProvider, figures: CollectorRegistry
) -> None:
    broken: Guardrails = BrokenGuardrails()
    guard = Guard(broken, figures=PrometheusFigures(figures))
    async with open_house(tmp_path, provider) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
    async with open_house(tmp_path, provider, guard=guard) as house:
        with pytest.raises(GuardrailUnavailable) as refused:
            await house.send("a secret")
        assert "secret" not in str(refused.value)
        assert await house.said() == []
        assert not await guard.allows("a title")
    assert (refusals(figures, "message", "unavailable"), refusals(figures, "answer", "unavailable")) == (1, 1)
    assert provider.requests == []


async def test_an_answer_that_cannot_be_judged_is_withheld(
    tmp_path: Path, provider: ScriptedProvider, figures: CollectorRegistry
) -> None:
    provider.script("Hello", " there", Gate())
    guard = Guard(OnlyAnswersBroken(), figures=PrometheusFigures(figures))
    async with open_talk(tmp_path, provider, guard) as house:
        run = await house.send("hi")
        assert (await house.ended(run)).reason == "GUARDRAIL_UNAVAILABLE"
        assert await shown(house, run) == ("Hello", "")
        await provider.idle()
    assert refusals(figures, "answer", "unavailable") == 1
