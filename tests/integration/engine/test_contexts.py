"""Long conversations: what their requests carry under both strategies, and summaries that cost nobody an answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.guardrails.configuration import load_guardrails
from server.application.guard import Guard
from server.application.revisions import Edit, Regeneration
from server.application.run_prompts import ShownRequest
from server.application.runs import SendMessage
from server.domain.compaction import Compaction, CompactionCause
from server.domain.compaction_errors import CompactionFailed, HistoryChanged
from server.domain.conversation import ContextStrategy
from server.domain.errors import ConversationNotFound
from server.domain.events import ConversationCompacted
from server.domain.generation import GenerationConfig
from server.domain.message import Role
from server.domain.model_request import Omission
from server.domain.run import Run, RunState
from server.domain.tokens import TokenEstimator
from server.ports.provider import CompletionRequest, ProviderError
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import Step, usage
from tests.support.summarising_provider import SummarisingProvider
from tests.support.upstream.gate import Gate

PLAIN = TokenEstimator()
SUMMARIZE = ContextStrategy.SUMMARIZE
WORDS = "some words that take room " * 12


@pytest.fixture
def provider() -> SummarisingProvider:
    return SummarisingProvider(default=("I see.",))


@pytest.fixture
async def house(tmp_path: Path, provider: SummarisingProvider) -> AsyncIterator[House]:
    guard = Guard(load_guardrails({"guardrails": {"words": ["unspeakable"]}}).rules)
    limits = replace(QUICK, compaction_duration=timedelta(seconds=0.2))
    async with open_house(tmp_path, provider, limits=limits, guard=guard) as opened:
        await opened.threads.create(ANNA, name="Talk", key="talk")
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


async def configured(house: House, *, strategy: ContextStrategy | None = None, most: int | None = None) -> None:
    await house.threads.configure_context(ANNA, "talk", strategy=strategy, max_history_messages=most)


async def said(house: House, *messages: str) -> Run:
    """Send messages, each when the one before is answered; returns the last run."""
    for message in messages:
        run = await house.send(message)
        assert (await house.ended(run)).state is RunState.COMPLETED
    return run


async def prompt_of(house: House, run: Run) -> ShownRequest:
    """The one request of a run."""
    (request,) = (await house.run_prompts.page(ANNA.owner, run.id, page_size=0, page_token="")).items
    return request


async def compactions(house: House) -> list[Compaction]:
    return (await house.threads.state(ANNA.owner, "talk")).compactions


async def summary_shown(house: House) -> str:
    return (await house.threads.get(ANNA.owner, "talk")).conversation.summary


def texts(request: CompletionRequest) -> list[str]:
    return [message.content for message in request.messages]


def history_of(request: CompletionRequest) -> list[str]:
    """Without the system message."""
    return [message.content for message in request.messages if message.role is not Role.SYSTEM]


async def test_a_window_keeps_every_request_within_the_models_context(
    house: House, provider: SummarisingProvider
) -> None:
    house.models.contexts["first"] = 600
    await said(house, *(f"{number} {WORDS}" for number in range(12)))
    room = 600 - 150
    for number, request in enumerate(provider.answered):
        assert sum(PLAIN.message(message) for message in request.messages) <= room
        assert texts(request)[-1] == f"{number} {WORDS}"
    assert len(provider.answered[-1].messages) < 23
    assert not provider.asked_to_summarise


@pytest.mark.parametrize("strategy", ContextStrategy)
async def test_a_request_that_the_provider_finds_too_long_is_made_shorter(
    house: House, provider: SummarisingProvider, strategy: ContextStrategy
) -> None:
    await configured(house, strategy=strategy)
    await said(house, *(f"{number} {WORDS}" for number in range(6)))
    for _ in range(2):
        provider.script(ProviderError("CONTEXT_TOO_LONG", "no"))
    provider.script("I see.")
    run = await said(house, "and now?")
    sizes = [len(texts(request)) for request in provider.answered[-3:]]
    assert sizes == sorted(set(sizes), reverse=True)
    assert texts(provider.answered[-1])[-1] == "and now?"
    shown = (await house.run_prompts.page(ANNA.owner, run.id, page_size=0, page_token="")).items
    assert [[part.message.content for part in request.parts] for request in shown] == [
        texts(request) for request in provider.answered[-3:]
    ]
    assert bool(await compactions(house)) is (strategy is SUMMARIZE)


async def test_a_question_that_alone_is_too_long_is_refused_at_once(
    house: House, provider: SummarisingProvider
) -> None:
    provider.script(ProviderError("CONTEXT_TOO_LONG", "no"))
    run = await house.send(WORDS)
    ended = await house.ended(run)
    assert (ended.state, ended.reason) == (RunState.FAILED, "CONTEXT_TOO_LONG")
    assert len(provider.answered) == 1
    assert texts(provider.answered[0]) == [part.message.content for part in (await prompt_of(house, run)).parts]


async def test_what_the_provider_counts_shortens_later_requests(house: House, provider: SummarisingProvider) -> None:
    house.models.contexts["first"] = 1000
    for _ in range(12):
        provider.script("I see.", usage(10**6, 2))
    await said(house, *(f"{number} {WORDS}" for number in range(12)))
    counted_double = sum(TokenEstimator(2.0).message(message) for message in provider.answered[-1].messages)
    assert 500 < counted_double <= 750


async def test_older_messages_are_summarised_before_they_would_be_cut_off(
    house: House, provider: SummarisingProvider
) -> None:
    await configured(house, strategy=SUMMARIZE, most=6)
    await said(house, *(f"message {number}" for number in range(20)))
    made = await compactions(house)
    # Half a window is left each time, so that not every message needs a summary.
    assert 3 <= len(made) <= 10
    assert len(provider.asked_to_summarise) == len(made)
    assert [each.version for each in made] == list(range(1, len(made) + 1))
    assert [each.upto for each in made] == sorted({each.upto for each in made})
    assert all(each.cause is CompactionCause.AUTOMATIC and each.run_id for each in made)
    for number, request in enumerate(provider.answered):
        assert len(history_of(request)) <= 6
        assert history_of(request)[-1] == f"message {number}"
        if number > 2:
            assert "Summary" in texts(request)[0]
    assert len(await house.said()) == 40
    assert await summary_shown(house) == made[-1].text


async def test_a_summary_builds_on_the_one_before_and_is_asked_for_each_message_once(
    house: House, provider: SummarisingProvider
) -> None:
    await configured(house, strategy=SUMMARIZE, most=6)
    await said(house, *(f"message {number} of many" for number in range(12)))
    one, two, *_ = provider.asked_to_summarise
    assert "User: message 0 of many" in one
    assert "Summary so far:\nSummary 1." in two
    assert "message 0 of many" not in two
    for number in range(6):
        assert sum(f"message {number} of many" in text for text in provider.asked_to_summarise) == 1


async def test_a_prompt_shows_the_summary_and_what_it_stands_for(house: House) -> None:
    await configured(house, strategy=SUMMARIZE, most=4)
    run = await said(house, "one", "two", "three")
    request = await prompt_of(house, run)
    (made,) = await compactions(house)
    assert request.record.compaction_id == made.id
    assert [(each.positions.first, each.positions.last, each.why) for each in request.record.left_out] == [
        (1, made.upto, Omission.SUMMARISED)
    ]
    assert made.text in request.parts[0].message.content
    events = await house.events(run)
    (event,) = [event for event in events if isinstance(event.payload, ConversationCompacted)]
    assert event.payload == ConversationCompacted(made)
    assert event.run_id == run.id


async def test_a_history_that_no_request_has_room_for_is_summarised_in_parts(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, *(f"{number} {WORDS}" for number in range(16)))
    house.models.contexts["first"] = 700
    await configured(house, strategy=SUMMARIZE)
    await said(house, "and now?")
    assert len(provider.asked_to_summarise) > 2
    for request in provider.requests:
        if request not in provider.answered:
            assert sum(PLAIN.message(message) for message in request.messages) <= 700 - (
                request.generation.max_tokens or 0
            )
    everything = "".join(provider.asked_to_summarise)
    (made,) = await compactions(house)
    for number in range((made.upto + 1) // 2):
        assert f"User: {number} {WORDS.strip()}" in everything
    assert history_of(provider.answered[-1])[-1] == "and now?"


FAILURES: dict[str, tuple[tuple[Step, ...], str]] = {
    "fails": ((ProviderError("PROVIDER_UNAVAILABLE", "no"),), "PROVIDER_UNAVAILABLE"),
    "breaks": (("They", ProviderError("PROVIDER_STREAM_CUT", "no")), "PROVIDER_STREAM_CUT"),
    "says nothing": ((), "SUMMARY_EMPTY"),
    "only thinks": (("<think>hm</think> ",), "SUMMARY_EMPTY"),
    "says what is not allowed": (("Something unspeakable.",), "SUMMARY_REFUSED"),
    "says more than it was told": (("word " * 900,), "SUMMARY_TOO_LONG"),
    "is silent": ((), "SUMMARY_TIMEOUT"),
}


def failing(failure: str) -> tuple[tuple[Step, ...], str]:
    """How a model fails to make a summary, and the reason that is given."""
    steps, reason = FAILURES[failure]
    return (Gate(),) if failure == "is silent" else steps, reason


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_model_that_makes_no_summary_answers_all_the_same(
    house: House, provider: SummarisingProvider, failure: str
) -> None:
    steps, reason = failing(failure)
    await configured(house, strategy=SUMMARIZE, most=4)
    await said(house, "one", "two")
    provider.summary(*steps)
    run = await said(house, "three")
    request = await prompt_of(house, run)
    assert request.record.compaction_failure == reason
    assert [part.message.content for part in request.parts] == ["I see.", "two", "I see.", "three"]
    assert [each.why for each in request.record.left_out] == [Omission.WINDOW]
    assert await compactions(house) == []
    # The next message tries again.
    await said(house, "four")
    assert [each.version for each in await compactions(house)] == [1]


async def test_a_summary_is_asked_for_in_smaller_parts_when_the_context_is_shorter_than_it_seems(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, *(f"{number} {WORDS}" for number in range(8)))
    provider.summary(ProviderError("CONTEXT_TOO_LONG", "no"))
    done = await house.compactions.compact(ANNA, "talk")
    assert done.is_new
    whole, *parts = provider.asked_to_summarise
    assert all(len(part) < len(whole) for part in parts)
    assert done.compaction is not None
    assert done.compaction.upto == 14


async def test_what_could_be_summarised_in_time_counts(house: House, provider: SummarisingProvider) -> None:
    await said(house, *(f"{number} {WORDS}" for number in range(16)))
    house.models.contexts["first"] = 700
    provider.summary("The first part.")
    provider.summary(Gate())
    done = await house.compactions.compact(ANNA, "talk")
    assert done.compaction is not None
    assert (done.is_new, done.compaction.text) == (True, "The first part.")
    assert 0 < done.compaction.upto < 30


async def test_a_compaction_on_demand_says_what_it_saves(house: House, provider: SummarisingProvider) -> None:
    await said(house, WORDS, WORDS, "three")
    done = await house.compactions.compact(ANNA, "talk")
    made = done.compaction
    assert made is not None
    assert (done.is_new, made.upto, made.messages_summarized, made.cause) == (True, 4, 4, CompactionCause.ON_DEMAND)
    assert made.tokens_before > made.tokens_after
    assert done.tokens_saved == done.tokens_before - done.tokens_after == made.tokens_before - made.tokens_after
    assert [made] == await compactions(house)
    # Asked for, it is carried whatever the strategy is.
    await said(house, "four")
    assert history_of(provider.answered[-1]) == ["three", "I see.", "four"]
    again = await house.compactions.compact(ANNA, "talk")
    assert again.compaction is not None
    assert (again.compaction.version, again.compaction.upto) == (2, 6)
    assert again.compaction.tokens_before > made.tokens_before


async def test_the_window_does_without_summaries_that_nobody_asked_for(
    house: House, provider: SummarisingProvider
) -> None:
    await configured(house, strategy=SUMMARIZE, most=4)
    await said(house, "one", "two", "three")
    await configured(house, strategy=ContextStrategy.SLIDING_WINDOW)
    await said(house, "four")
    assert texts(provider.answered[-1]) == ["I see.", "three", "I see.", "four"]


async def test_of_two_compactions_at_once_one_counts(house: House, provider: SummarisingProvider) -> None:
    await said(house, WORDS, "two")
    gates = [Gate(), Gate()]
    for gate in gates:
        provider.summary("They talked.", gate)
    both = [asyncio.create_task(house.compactions.compact(ANNA, "talk")) for _ in gates]
    for gate in gates:
        await gate.reached()
        gate.open()
    done = await asyncio.gather(*both)
    assert sorted(each.is_new for each in done) == [False, True]
    assert len({each.compaction.id for each in done if each.compaction}) == 1
    assert len(await compactions(house)) == 1


async def test_a_compaction_while_a_run_is_at_work_touches_nothing_of_it(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, WORDS, "two")
    gate = Gate()
    provider.script("Wait", gate, " for it.")
    run = await house.send("three")
    await gate.reached()
    done = await house.compactions.compact(ANNA, "talk")
    assert done.compaction is not None
    assert done.compaction.upto == 4
    gate.open()
    assert (await house.ended(run)).state is RunState.COMPLETED
    await said(house, "four")
    assert history_of(provider.answered[-1]) == ["three", "Wait for it.", "four"]


async def test_a_message_sent_while_its_thread_is_compacted_is_not_in_the_summary(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, WORDS, "two")
    gate = Gate()
    provider.summary("They talked.", gate)
    compacting = asyncio.create_task(house.compactions.compact(ANNA, "talk"))
    await gate.reached()
    await said(house, "three")
    gate.open()
    done = await compacting
    assert done.compaction is not None
    assert done.compaction.upto == 2
    await said(house, "four")
    assert history_of(provider.answered[-1]) == ["two", "I see.", "three", "I see.", "four"]


async def test_a_summary_of_a_history_that_is_not_the_history_any_more_is_dropped(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, WORDS, "two")
    await house.runs.send(ANNA, SendMessage("talk", "", revision=Regeneration()))
    await _idle(house)
    gate = Gate()
    provider.summary("They talked.", gate)
    compacting = asyncio.create_task(house.compactions.compact(ANNA, "talk"))
    await gate.reached()
    await house.branches.switch(ANNA, "talk", 1)
    gate.open()
    with pytest.raises(HistoryChanged):
        await compacting
    assert await compactions(house) == []
    assert await summary_shown(house) == ""


async def test_a_thread_that_is_deleted_while_it_is_compacted_stays_deleted(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, WORDS, "two")
    gate = Gate()
    provider.summary("They talked.", gate)
    compacting = asyncio.create_task(house.compactions.compact(ANNA, "talk"))
    await gate.reached()
    await house.threads.delete(ANNA, "talk")
    gate.open()
    with pytest.raises(ConversationNotFound):
        await compacting


async def test_a_run_that_is_cancelled_while_its_summary_is_made_leaves_none(
    house: House, provider: SummarisingProvider
) -> None:
    await configured(house, strategy=SUMMARIZE, most=2)
    await said(house, "one")
    gate = Gate()
    provider.summary("They", gate)
    run = await house.send("two")
    await gate.reached()
    await house.runs.cancel(ANNA, run.id)
    assert (await house.ended(run)).state is RunState.CANCELLED
    await provider.idle()
    assert await compactions(house) == []
    await said(house, "three")


async def test_other_threads_are_answered_while_one_waits_for_its_summary(
    house: House, provider: SummarisingProvider
) -> None:
    await house.threads.create(ANNA, name="Other", key="other")
    await configured(house, strategy=SUMMARIZE, most=2)
    await said(house, "one")
    gate = Gate()
    provider.summary("They talked.", gate)
    run = await house.send("two")
    await gate.reached()
    other = await house.send("hello", to="other")
    assert (await house.ended(other)).state is RunState.COMPLETED
    gate.open()
    assert (await house.ended(run)).state is RunState.COMPLETED


async def test_a_compaction_on_demand_that_fails_says_why_and_leaves_the_thread(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, WORDS, "two")
    for failure in ("fails", "says nothing", "says what is not allowed", "is silent"):
        steps, reason = failing(failure)
        provider.summary(*steps)
        with pytest.raises(CompactionFailed) as failed:
            await house.compactions.compact(ANNA, "talk")
        assert failed.value.run_reason == reason
    assert await compactions(house) == []


async def test_a_change_to_a_model_with_a_shorter_context_goes_on(house: House, provider: SummarisingProvider) -> None:
    house.models.contexts.update(first=8000, second=700)
    await configured(house, strategy=SUMMARIZE)
    provider.summary("The long story. " * 200)
    await said(house, *(f"{number} {WORDS}" for number in range(8)))
    await house.compactions.compact(ANNA, "talk")
    await house.threads.configure_generation(ANNA, "talk", GenerationConfig(model="second"))
    for question in ("and now?", "and then?"):
        await said(house, question)
        request = provider.answered[-1]
        assert request.generation.model == "second"
        assert sum(PLAIN.message(message) for message in request.messages) <= 700 - 175
        assert texts(request)[-1] == question
    one, two = await compactions(house)
    assert two.upto >= one.upto
    assert two.tokens_after < one.tokens_after


async def test_a_branch_shows_and_carries_the_summary_of_its_own_messages(
    house: House, provider: SummarisingProvider
) -> None:
    await said(house, "one", "two", "three")
    done = await house.compactions.compact(ANNA, "talk")
    assert done.compaction is not None
    first = (await house.threads.state(ANNA.owner, "talk")).messages[0]
    await house.runs.send(ANNA, SendMessage("talk", "uno", revision=Edit(first.id)))
    await _idle(house)
    assert texts(provider.answered[-1]) == ["uno"]
    assert await summary_shown(house) == ""
    await house.branches.switch(ANNA, "talk", 1)
    assert await summary_shown(house) == done.compaction.text
    await house.runs.send(ANNA, SendMessage("talk", "", revision=Regeneration()))
    await _idle(house)
    assert history_of(provider.answered[-1]) == ["three"]
    assert await summary_shown(house) == done.compaction.text


async def test_a_copy_has_the_summary_of_what_it_copies(house: House, provider: SummarisingProvider) -> None:
    await said(house, "one", "two", "three")
    done = await house.compactions.compact(ANNA, "talk")
    assert done.compaction is not None
    messages = (await house.threads.state(ANNA.owner, "talk")).messages
    await house.forks.fork(ANNA, "talk", upto=messages[4].id, new_key="long", name="")
    await house.forks.fork(ANNA, "talk", upto=messages[1].id, new_key="short", name="")
    await house.threads.delete(ANNA, "talk")
    copied = await house.threads.state(ANNA.owner, "long")
    (summary,) = copied.compactions
    assert (summary.version, summary.upto, summary.text) == (1, 4, done.compaction.text)
    assert copied.conversation.summary == done.compaction.text
    await house.ended(await house.send("more", to="long"))
    assert history_of(provider.answered[-1]) == ["three", "more"]
    short = await house.threads.state(ANNA.owner, "short")
    assert (short.compactions, short.conversation.summary) == ([], "")


async def _idle(house: House) -> None:
    """Wait for the run at work."""
    active = (await house.threads.state(ANNA.owner, "talk")).active_run
    if active is not None:
        await house.ended(active)
