"""Request ids: what they stand for, for how long."""

from dataclasses import replace

import pytest

from server.domain.conversation import Conversation, ConversationSummary
from server.domain.errors import ConversationNotFound, RunNotFound
from server.domain.ids import ConversationId, RunId
from server.domain.run import Run, RunState
from server.ports.store import RememberedRequest, Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, queued_run, stored


@pytest.fixture
async def runs(store: Store, talk: Conversation) -> list[Run]:
    """Two stored runs."""
    made = [queued_run(talk), queued_run(talk)]
    for run in made:
        await store.write(ALICE, lambda tx, run=run: tx.runs.add(run))  # type: ignore[misc]
    return made


async def test_a_request_is_found_from_its_moment_on(store: Store, runs: list[Run]) -> None:
    request = RememberedRequest("f", runs[0].id)
    await store.write(ALICE, lambda tx: tx.requests.remember("r", request, now=at(5)))
    assert await store.read(ALICE, lambda tx: tx.requests.find("r", not_before=at(5))) == request
    assert await store.read(ALICE, lambda tx: tx.requests.find("r", not_before=at(5.000001))) is None
    assert await store.read(ALICE, lambda tx: tx.requests.find("other", not_before=at(0))) is None


async def test_an_outdated_binding_is_replaced(store: Store, runs: list[Run]) -> None:
    for time, run in enumerate(runs):
        request = RememberedRequest(f"f{time}", run.id)
        await store.write(ALICE, lambda tx, r=request, t=time: tx.requests.remember("r", r, now=at(t)))  # type: ignore[misc]
    found = await store.read(ALICE, lambda tx: tx.requests.find("r", not_before=at(0)))
    assert found == RememberedRequest("f1", runs[1].id)


async def test_a_request_can_stand_for_a_stored_run_only(store: Store) -> None:
    with pytest.raises(RunNotFound):
        await store.write(ALICE, lambda tx: tx.requests.remember("r", RememberedRequest("f", RunId("none")), now=at(0)))
    assert await store.read(ALICE, lambda tx: tx.requests.find("r", not_before=at(0))) is None


async def test_the_result_of_a_write_is_recalled_as_it_was(store: Store, talk: Conversation) -> None:
    result = ConversationSummary(replace(talk, last_sequence=3, accessed_at=at(1)), RunState.RUNNING)
    request = RememberedRequest("f")
    await store.write(ALICE, lambda tx: tx.requests.remember("w", request, now=at(5), result=result))
    assert await store.read(ALICE, lambda tx: tx.requests.find("w", not_before=at(5))) == request
    assert await store.read(ALICE, lambda tx: tx.requests.recall("w", ConversationSummary)) == result


async def test_a_request_without_a_result_recalls_none(store: Store, runs: list[Run]) -> None:
    await store.write(ALICE, lambda tx: tx.requests.remember("r", RememberedRequest("f", runs[0].id), now=at(5)))
    with pytest.raises(LookupError):
        await store.read(ALICE, lambda tx: tx.requests.recall("r", ConversationSummary))


async def test_a_result_goes_with_the_conversation_it_speaks_of(store: Store, talk: Conversation) -> None:
    other = conversation()
    await stored(store, other)
    request = RememberedRequest("f")

    async def remember(tx: Transaction) -> None:
        for name, of in (("gone", talk), ("kept", other)):
            summary = ConversationSummary(of, None)
            await tx.requests.remember(name, request, now=at(5), result=summary, conversation_id=of.id)
        await tx.requests.remember("of none", request, now=at(5), result=ConversationSummary(other, None))

    async def found(tx: Transaction) -> list[RememberedRequest | None]:
        return [await tx.requests.find(name, not_before=at(5)) for name in ("gone", "kept", "of none")]

    await store.write(ALICE, remember)
    assert await store.read(ALICE, found) == [request] * 3
    await store.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    assert await store.read(ALICE, found) == [None, request, request]


async def test_a_result_speaks_of_a_stored_conversation_only(store: Store) -> None:
    with pytest.raises(ConversationNotFound):
        await store.write(
            ALICE,
            lambda tx: tx.requests.remember(
                "w", RememberedRequest("f"), now=at(5), conversation_id=ConversationId("none")
            ),
        )
    assert await store.read(ALICE, lambda tx: tx.requests.find("w", not_before=at(0))) is None


async def test_outdated_requests_are_forgotten_the_oldest_first(store: Store, runs: list[Run]) -> None:
    request = RememberedRequest("f", runs[0].id)

    async def remember(tx: Transaction) -> None:
        for time, name in ((3, "c"), (1, "a"), (2, "b"), (4, "d")):
            await tx.requests.remember(name, request, now=at(time))

    async def kept(tx: Transaction) -> str:
        return "".join([name for name in "abcd" if await tx.requests.find(name, not_before=at(0))])

    await store.write(ALICE, remember)
    assert await store.write_system(lambda tx: tx.forget_requests(at(4), limit=2)) == 2
    assert await store.read(ALICE, kept) == "cd"
    assert await store.write_system(lambda tx: tx.forget_requests(at(4), limit=2)) == 1
    assert await store.read(ALICE, kept) == "d"
