"""Memories in conversations: shown to the model where that is wanted, taken from what was said, found on every node."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.application.extraction import INSTRUCTIONS
from server.application.threads import MemoryChange, SettingsChange
from server.domain.erasure import Erasure, ErasureState
from server.domain.ids import ErasureId
from server.domain.memory import Memory
from server.domain.memory_errors import MemoryNotFound, TooManyMemories
from server.domain.run import RunState
from server.engine.erasing import SETTLING
from server.ports.provider import CompletionRequest, Piece, ProviderError
from tests.support.house import ANNA, BERT, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider, Step
from tests.support.upstream.gate import Gate

FACTS = ["Anna drinks green tea.", "Anna has a dog called Bruno."]
BOTH = MemoryChange(inject=True, extract=True)


class Remembering(ScriptedProvider):
    """Says "I see.", and when it is asked for memories what `facts` holds."""

    def __init__(self) -> None:
        super().__init__(default=("I see.",))
        self.facts: tuple[Step, ...] = (json.dumps(FACTS),)
        self.asked_for_memories: list[CompletionRequest] = []

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Play the next script of the kind."""
        if request.messages[0].content == INSTRUCTIONS:
            self.asked_for_memories.append(request)
            self._scripts.appendleft(self.facts)
        async for piece in super().stream(request):
            yield piece


@pytest.fixture
def provider() -> Remembering:
    return Remembering()


@pytest.fixture
async def house(tmp_path: Path, provider: Remembering) -> AsyncIterator[House]:
    async with open_house(tmp_path, provider) as opened:
        await opened.threads.create(ANNA, name="Talk", key="talk")
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


async def wanted(house: House, change: MemoryChange) -> None:
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(memory=change))


async def stored(house: House) -> list[str]:
    page = await house.memories.page(ANNA.owner, page_size=0, page_token="")
    return [memory.text for memory in reversed(page.items)]


async def answered(house: House, content: str) -> CompletionRequest:
    """Send a message; returns what the model was asked for its answer."""
    assert isinstance(house.provider, ScriptedProvider)
    run = await house.send(content)
    assert (await house.ended(run)).state is RunState.COMPLETED
    return [each for each in house.provider.requests if each.messages[0].content != INSTRUCTIONS][-1]


async def until(fact: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait for what is done beside the conversation, which tells nobody when it is through."""
    async with asyncio.timeout(20):
        while await fact() != wanted:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


def system_of(request: CompletionRequest) -> str:
    return "\n".join(message.content for message in request.messages if message.role.value == "system")


async def test_nothing_is_remembered_unasked(house: House, provider: Remembering) -> None:
    await house.memories.add(ANNA, "Anna drinks green tea.")
    assert system_of(await answered(house, "What do I drink?")) == ""
    assert provider.asked_for_memories == []


async def test_the_model_is_shown_what_fits_and_the_prompt_shows_it(house: House) -> None:
    await wanted(house, MemoryChange(inject=True))
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(system_prompt="Be kind."))
    for fact in FACTS:
        await house.memories.add(ANNA, fact)
    await house.memories.add(BERT, "Bert drinks green tea, too.")
    request = await answered(house, "What green tea does Anna drink?")
    shown = system_of(request)
    assert shown.startswith("Be kind.\n\n<memories>")
    assert FACTS[0] in shown
    assert "Bert" not in shown
    run = (await house.runs.page(ANNA.owner, "talk", page_size=1, page_token="")).items[0]
    (recorded,) = (await house.run_prompts.page(ANNA.owner, run.id, page_size=0, page_token="")).items
    assert [part.message for part in recorded.parts] == list(request.messages)


async def test_a_new_memory_is_shown_at_once_and_a_destroyed_one_no_more(house: House) -> None:
    await wanted(house, MemoryChange(inject=True))
    assert system_of(await answered(house, "Who is Bruno?")) == ""
    memory = await house.memories.add(ANNA, FACTS[1])
    assert FACTS[1] in system_of(await answered(house, "Who is Bruno?"))
    await house.memories.update(ANNA, memory.id, "Bruno is a parrot.")
    assert "parrot" in system_of(await answered(house, "Who is Bruno?"))
    await house.memories.delete(ANNA, memory.id)
    assert system_of(await answered(house, "Who is Bruno?")) == ""


async def test_as_many_are_shown_as_the_thread_wants(house: House) -> None:
    await wanted(house, MemoryChange(inject=True, most=2))
    for number in range(5):
        await house.memories.add(ANNA, f"Fact {number} about tea")
    assert system_of(await answered(house, "about tea")).count("\n- ") == 2


async def test_memories_are_taken_once(house: House, provider: Remembering) -> None:
    await wanted(house, BOTH)
    await answered(house, "I am Anna, I drink green tea, my dog is Bruno.")
    await until(lambda: stored(house), FACTS)
    page = await house.memories.page(ANNA.owner, page_size=0, page_token="")
    runs = await house.runs.page(ANNA.owner, "talk", page_size=1, page_token="")
    assert {memory.run_id for memory in page.items} == {runs.items[0].id}
    (asked,) = provider.asked_for_memories
    assert "user: I am Anna" in asked.messages[1].content
    provider.facts = (json.dumps([*FACTS, "Anna plays chess."]),)
    assert FACTS[1] in system_of(await answered(house, "Bruno and I play chess."))
    await until(lambda: stored(house), [*FACTS, "Anna plays chess."])


@pytest.mark.parametrize(
    "facts",
    [("no array",), (ProviderError("PROVIDER_TIMEOUT", "slow"),), (), ("[]",), ('["' + "x" * 600 + '"]',)],
    ids=["nonsense", "failure", "silence", "nothing", "too long"],
)
async def test_what_the_model_fails_to_say_costs_nobody_an_answer(
    house: House, provider: Remembering, facts: tuple[Step, ...]
) -> None:
    provider.facts = facts
    await wanted(house, BOTH)
    await answered(house, "One")
    await answered(house, "Two")
    await provider.requested(4)
    assert await stored(house) == []


async def test_a_failed_run_leaves_no_memories(house: House, provider: Remembering) -> None:
    await wanted(house, BOTH)
    provider.script(ProviderError("PROVIDER_UNAVAILABLE", "away"))
    run = await house.send("One")
    assert (await house.ended(run)).state is RunState.FAILED
    await answered(house, "Two")
    await until(lambda: stored(house), FACTS)
    assert len(provider.asked_for_memories) == 1


async def test_another_node_finds_what_this_one_stored_changed_and_destroyed(house: House, tmp_path: Path) -> None:
    async def found(by: House, query: str) -> list[str]:
        return [each.memory.text for each in await by.memories.search(ANNA, query, limit=5, least=0.1)]

    async with open_house(tmp_path, Remembering()) as other:
        first = await house.memories.add(ANNA, "likes tea")
        second = await house.memories.add(ANNA, "likes dogs")
        assert await found(other, "tea") == ["likes tea"]
        await house.memories.update(ANNA, first.id, "likes coffee")
        assert await found(other, "tea") == []
        assert await found(other, "coffee") == ["likes coffee"]
        await house.memories.delete(ANNA, first.id)
        assert await found(other, "coffee") == []
        await house.memories.delete(ANNA, second.id)
        await other.memories.add(ANNA, "likes dogs a lot")
        assert await found(other, "dogs") == ["likes dogs a lot"]
        assert await found(house, "dogs") == ["likes dogs a lot"]


async def test_there_is_an_end_to_memories(tmp_path: Path) -> None:
    async with open_house(tmp_path, Remembering(), limits=replace(QUICK, memories=2)) as house:
        made: list[Memory] = [await house.memories.add(ANNA, fact) for fact in FACTS]
        with pytest.raises(TooManyMemories):
            await house.memories.add(ANNA, "one more")
        assert await stored(house) == FACTS
        await house.memories.delete(ANNA, made[0].id)
        await house.memories.add(ANNA, "one more")
        with pytest.raises(MemoryNotFound):
            await house.memories.get(ANNA.owner, made[0].id)


async def test_thousands_are_searched_while_others_change_them(house: House) -> None:
    await asyncio.gather(*(house.memories.add(ANNA, f"number {number} of many") for number in range(300)))

    async def look(number: int) -> str:
        (best,) = await house.memories.search(ANNA, f"number {number} of many", limit=1, least=0)
        return best.memory.text

    texts = await asyncio.gather(
        *(look(number) for number in range(0, 300, 7)), *(house.memories.add(ANNA, f"more {n}") for n in range(20))
    )
    assert texts[:43] == [f"number {number} of many" for number in range(0, 300, 7)]
    assert len(await house.memories.search(ANNA, "more", limit=100, least=0.2)) == 20


async def test_what_a_run_was_shown_is_kept_for_as_long_as_it_runs(house: House, provider: Remembering) -> None:
    await wanted(house, MemoryChange(inject=True))
    await house.memories.add(ANNA, FACTS[1])
    for is_cancelled in (False, True):
        gate = Gate()
        provider.script("A dog", gate)
        run = await house.send("Who is Bruno?")
        await gate.reached()
        assert FACTS[1] in _texts_of(house)
        if is_cancelled:
            await house.runs.cancel(ANNA, run.id)
        else:
            gate.open()
            await house.ended(run)
        await until(lambda: _soon(_texts_of(house)), "")


def _texts_of(house: House) -> str:
    """What the engine keeps of memories for its runs."""
    return "".join(shown.memories or "" for shown in house.engine._recall._shown.values())


async def _soon(text: str) -> str:
    return text


async def test_nothing_of_an_erased_user_stays_in_the_process(house: House) -> None:
    for principal in (ANNA, BERT):
        await house.memories.add(principal, "likes tea")
        await house.memories.search(principal, "tea", limit=1, least=0)
    held = house.engine._memories._indexes._indexes  # type: ignore[attr-defined]  # of the adapter
    assert set(held) == {ANNA.owner, BERT.owner}
    then = datetime.now(UTC) - SETTLING
    wanted = Erasure(ErasureId("e1"), BERT.owner, "erased:1", "anna", then)
    await house.store.write(ANNA.owner, lambda tx: tx.rights.begin_erasure(wanted))
    assert (await house.engine._erasing.finish(wanted.id)).state is ErasureState.DONE
    assert set(held) == {ANNA.owner}
