"""What embeddings cost is accounted as every other call of a model, whatever they are for."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from server.adapters.memory.configuration import EmbedderConfig
from server.adapters.provider.provider_config import ProviderConfig, Timeouts
from server.application.extraction import INSTRUCTIONS
from server.application.spending_rules import SpendingRules
from server.application.threads import MemoryChange, SettingsChange
from server.domain.ids import MemoryId
from server.domain.memory_errors import EmbedderUnavailable, MemoryNotFound, TooManyMemories
from server.domain.principal import Principal, RequestKey
from server.domain.run import Run, RunState
from server.domain.spending import Budget, Budgets
from server.domain.spending_errors import BudgetExceeded
from server.domain.usage import AccountedCall, CallKind, Price, Total, UsageFilter
from server.ports.provider import CompletionRequest, Piece
from tests.integration.engine.test_memories import until
from tests.integration.providers.test_images import replied
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream import RecordedRequest, Script, ScriptedUpstream, refusal

TOKENS: Final = 7
"""Of every request for vectors."""
PRICES: Final = {
    ("open", "vectors"): Price(input=1_000_000, output=0),
    ("scripted", "first"): Price(input=1_000_000, output=1_000_000),
}
FACTS: Final = ["Anna drinks green tea.", "Bruno is a dog of hers."]


class Remembering(ScriptedProvider):
    """Says "I see.", and the facts when it is asked for memories."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Play the script of the kind."""
        if request.messages[0].content == INSTRUCTIONS:
            self._scripts.appendleft((json.dumps(FACTS),))
        async for piece in super().stream(request):
            yield piece


def _vectors(request: RecordedRequest) -> Script:
    """Texts of the same length are alike, others are not."""
    places = [[float(len(text) % 64 == place) for place in range(64)] for text in request.body["input"]]
    data = [{"index": n, "embedding": each} for n, each in enumerate(places)]
    return replied({"data": data, "usage": {"prompt_tokens": TOKENS, "total_tokens": TOKENS}})


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        server.chooses = _vectors
        yield server


@asynccontextmanager
async def opened(
    folder: Path, upstream: ScriptedUpstream, *, memories: int = 100, **budgets: Budget
) -> AsyncIterator[House]:
    patient = Timeouts(connect=timedelta(seconds=20), first_token=timedelta(seconds=20))
    config = EmbedderConfig(ProviderConfig("open", base_url=upstream.base_url, timeouts=patient), "vectors")
    rules = SpendingRules(prices=PRICES, budgets=Budgets(**budgets))  # type: ignore[arg-type]  # no test gives tenants
    limits = replace(QUICK, memories=memories)
    provider = Remembering(default=("I see.",))
    async with open_house(folder, provider, rules=rules, embedder=config, limits=limits) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        yield house


async def used(house: House) -> Total:
    """What Anna's embeddings took."""
    rows = await house.store.read(
        ANNA.owner, lambda tx: tx.usage.rows(UsageFilter(model="vectors"), whole_tenant=False, limit=9, after=None)
    )
    assert all(row.key_id == ANNA.key_id for row in rows)
    return rows[0].total if rows else Total()


async def calls_of(house: House, run: Run) -> list[AccountedCall]:
    return await house.store.read(run.owner, lambda tx: tx.usage.of_run(run.id, offset=0, limit=99))


async def test_calls_pay_for_their_vectors(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with opened(tmp_path, upstream, memories=1) as house:
        memory = await house.memories.add(ANNA, "tea")
        assert await used(house) == Total(1, TOKENS, cost=TOKENS)
        await house.memories.search(ANNA, "tea", limit=1, least=0)
        await house.memories.update(ANNA, memory.id, "green tea")
        assert await used(house) == Total(3, 3 * TOKENS, cost=3 * TOKENS)
        with pytest.raises(TooManyMemories):
            await house.memories.add(ANNA, "dog")
        with pytest.raises(MemoryNotFound):
            await house.memories.update(ANNA, MemoryId("none"), "nothing is asked for it")
        assert (await used(house)).calls == len(upstream.requests) == 4


async def test_a_repeated_call_pays_for_what_it_asks(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with opened(tmp_path, upstream) as house:
        marked = Principal(ANNA.owner, ANNA.scopes, ANNA.key_id, payer=ANNA.payer, request_key=RequestKey("k", "same"))
        first, second = [await house.memories.add(marked, "tea") for _ in range(2)]
        assert first.id == second.id
        assert (await used(house)).calls == len(upstream.requests) == 2


async def test_what_fails_is_not_paid_and_what_is_not_reported_is_estimated(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with opened(tmp_path, upstream) as house:
        upstream.script(refusal(401))
        with pytest.raises(EmbedderUnavailable):
            await house.memories.add(ANNA, "tea")
        assert await used(house) == Total(1, estimated_calls=1)
        upstream.script(replied({"data": [{"index": 0, "embedding": [1.0] * 64}]}))
        await house.memories.search(ANNA, "tea", limit=1, least=0)
        total = await used(house)
        assert (total.calls, total.estimated_calls) == (2, 2)
        assert 0 < total.input_tokens < 10


async def test_a_run_pays_for_what_its_model_is_shown_and_for_what_is_taken_from_it(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with opened(tmp_path, upstream) as house:
        change = SettingsChange(memory=MemoryChange(inject=True, extract=True))
        await house.threads.configure_settings(ANNA, "talk", change)
        run = await house.send("What do I drink?")
        assert (await house.ended(run)).state is RunState.COMPLETED
        found = await calls_of(house, run)
        assert [one.call.kind for one in found[:2]] == [CallKind.EMBEDDING, CallKind.ANSWER]
        assert (found[0].spent.input_tokens, found[0].cost, found[0].call.key_id) == (TOKENS, TOKENS, ANNA.key_id)

        async def kinds() -> list[str]:
            return sorted(one.call.kind for one in await calls_of(house, run))

        await until(kinds, sorted(["ANSWER", "MEMORY", *["EMBEDDING"] * (1 + len(FACTS))]))
        assert (await used(house)).calls == len(upstream.requests) == 1 + len(FACTS)


async def test_a_budget_that_is_used_up_stops_calls_for_vectors(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with opened(tmp_path, upstream, every_tenant=Budget(tokens_per_day=2 * TOKENS)) as house:
        memory = await house.memories.add(ANNA, "tea")
        await house.memories.search(ANNA, "tea", limit=1, least=0)
        for refused in (
            house.memories.add(ANNA, "dog"),
            house.memories.search(ANNA, "dog", limit=1, least=0),
            house.memories.update(ANNA, memory.id, "dog"),
        ):
            with pytest.raises(BudgetExceeded):
                await refused
        assert len(upstream.requests) == 2
        assert [each.text for each in (await house.memories.page(ANNA.owner, page_size=0, page_token="")).items] == [
            "tea"
        ]
