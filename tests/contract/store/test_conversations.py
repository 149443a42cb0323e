"""Conversations: keys, order, settings, and that deleting leaves nothing."""

from dataclasses import replace

import pytest

from server.domain.conversation import (
    ContextManagement,
    ContextStrategy,
    Conversation,
    InterruptPolicy,
    Settings,
)
from server.domain.errors import ConversationKeyTaken, ConversationNotFound
from server.domain.events import AttemptReset
from server.domain.generation import GenerationConfig
from server.domain.ids import AssistantId, ConversationId, OrganizationId
from server.domain.run import RunState
from server.ports.store import ListPosition, RememberedRequest, Store, Transaction
from tests.contract.store.builders import (
    ALICE,
    ALICE_ELSEWHERE,
    BOB,
    at,
    conversation,
    enqueued,
    message,
    new_id,
    queued_run,
    running_run,
    session,
    stored,
)


async def _page(store: Store, **arguments: object) -> list[str]:
    wanted = {"include_archived": False, "limit": None, "after": None, **arguments}
    found = await store.read(ALICE, lambda tx: tx.conversations.page(**wanted))  # type: ignore[arg-type]
    return [summary.conversation.key for summary in found]


async def test_what_is_stored_comes_back_equal(store: Store) -> None:
    full = conversation(
        "ключ/🗝 'x'",
        name="Gespräch",
        archived=True,
        organization_id=OrganizationId(new_id()),
        settings=Settings("Be brief.", InterruptPolicy.INTERRUPT),
        generation=GenerationConfig("m/1", 0.7, 512, 0.95),
        context_management=ContextManagement(ContextStrategy.SUMMARIZE, 7),
    )
    await stored(store, full)
    assert await store.read(ALICE, lambda tx: tx.conversations.get(full.key)) == full
    assert await store.read(ALICE, lambda tx: tx.conversations.by_id(full.id)) == full


async def test_a_key_is_taken_once_per_owner(store: Store) -> None:
    first = conversation("k")
    await stored(store, first, conversation("k", owner=BOB), conversation("k", owner=ALICE_ELSEWHERE))
    with pytest.raises(ConversationKeyTaken):
        await stored(store, conversation("k"))
    assert await store.read(ALICE, lambda tx: tx.conversations.get("k")) == first


async def test_a_unit_goes_on_after_a_taken_key(store: Store, talk: Conversation) -> None:
    async def add_or_touch(tx: Transaction) -> None:
        try:
            await tx.conversations.add(conversation(talk.key))
        except ConversationKeyTaken:
            await tx.conversations.touch(talk.id, at(5), by=ALICE.user_id)

    await store.write(ALICE, add_or_touch)
    found = await store.read(ALICE, lambda tx: tx.conversations.get(talk.key))
    assert found == replace(talk, updated_at=at(5), updated_by=ALICE.user_id)


async def test_locking_gives_what_getting_gives(store: Store, talk: Conversation) -> None:
    async def unit(tx: Transaction) -> list[Conversation | None]:
        return [
            await tx.conversations.lock(talk.key),
            await tx.conversations.lock_by_id(talk.id),
            await tx.conversations.lock("none"),
            await tx.conversations.lock_by_id(ConversationId("none")),
        ]

    assert await store.write(ALICE, unit) == [talk, talk, None, None]


async def test_pages_are_sorted_by_change_then_id_and_together_are_the_list(store: Store) -> None:
    talks = [conversation(f"k{number}", time=number // 3) for number in range(10)]
    await stored(store, *talks)
    in_order = [talk.key for talk in sorted(talks, key=lambda talk: (talk.updated_at, talk.id), reverse=True)]
    assert await _page(store) == in_order

    paged: list[str] = []
    after: ListPosition | None = None
    while page := await store.read(
        ALICE,
        lambda tx, after=after: tx.conversations.page(include_archived=False, limit=3, after=after),  # type: ignore[misc]
    ):
        paged += [summary.conversation.key for summary in page]
        last = page[-1].conversation
        after = ListPosition(last.updated_at, last.id)
    assert paged == in_order


async def test_archived_conversations_are_listed_when_asked_for(store: Store) -> None:
    await stored(store, conversation("old", time=1, archived=True), conversation("new", time=2))
    assert await _page(store) == ["new"]
    assert await _page(store, include_archived=True) == ["new", "old"]


async def test_windows_without_archived_ones_together_are_the_list(store: Store) -> None:
    talks = [conversation(f"k{number}", time=number // 3, archived=number % 4 == 0) for number in range(10)]
    others = [conversation("k1", owner=BOB, time=9), conversation("k1", owner=ALICE_ELSEWHERE, time=9)]
    await stored(store, *talks, *others)
    shown = [talk for talk in talks if not talk.archived]
    in_order = sorted(shown, key=lambda talk: (talk.updated_at, talk.id), reverse=True)

    async def unit(tx: Transaction) -> tuple[list[Conversation], int]:
        windows = [await tx.conversations.slice(offset=offset, limit=3) for offset in (0, 3, 6, 9, 2**31 - 1)]
        return [talk for window in windows for talk in window], await tx.conversations.count()

    assert await store.read(ALICE, unit) == (in_order, len(shown))


async def test_a_list_shows_what_a_conversation_is_doing(store: Store) -> None:
    idle, busy, parked, waiting = (conversation(name, time=-ord(name)) for name in "abcd")
    await stored(store, idle, busy, parked, waiting)

    async def unit(tx: Transaction) -> None:
        over = running_run(idle)
        await tx.runs.add(over)
        await tx.runs.end(over.id, epoch=1, state=RunState.COMPLETED, now=at(1))
        await tx.runs.add(running_run(busy))
        await tx.runs.add(running_run(parked, state=RunState.AWAITING_APPROVAL))
        await enqueued(tx, waiting)

    await store.write(ALICE, unit)
    found = await store.read(ALICE, lambda tx: tx.conversations.page(include_archived=False, limit=None, after=None))
    assert [summary.active_state for summary in found] == [None, RunState.RUNNING, RunState.AWAITING_APPROVAL, None]
    for summary in found:
        key = summary.conversation.key
        assert await store.read(ALICE, lambda tx, key=key: tx.conversations.summary(key)) == summary  # type: ignore[misc]
    assert await store.read(ALICE, lambda tx: tx.conversations.summary("nobody's")) is None


async def test_conversations_of_an_organization_by_age(store: Store) -> None:
    one, other = OrganizationId(new_id()), OrganizationId(new_id())
    await stored(
        store,
        conversation("first", time=1, organization_id=one),
        conversation("second", time=2, organization_id=one, archived=True, updated_at=at(0)),
        conversation("elsewhere", time=3, organization_id=other),
        conversation("nowhere", time=4),
    )

    async def keys(*, include_unassigned: bool) -> list[str]:
        found = await store.read(
            ALICE, lambda tx: tx.conversations.of_organization(one, include_unassigned=include_unassigned)
        )
        return [talk.key for talk in found]

    assert await keys(include_unassigned=False) == ["second", "first"]
    assert await keys(include_unassigned=True) == ["nowhere", "second", "first"]


async def test_saving_overwrites_what_may_change_and_nothing_else(store: Store, talk: Conversation) -> None:
    await store.write(ALICE, lambda tx: tx.events.append(talk.id, [AttemptReset(1)], now=at(1)))
    changed = replace(
        talk,
        key="another",
        name="New",
        archived=True,
        created_at=at(9),
        updated_at=at(9),
        settings=Settings("x"),
        generation=GenerationConfig(temperature=0.0),
        context_management=ContextManagement(max_history_messages=3),
        last_sequence=77,
        model="newer",
        summary="All is well.",
        updated_by=BOB.user_id,
        created_by=BOB.user_id,
        assistant_id=AssistantId("another"),
        accessed_at=at(9),
    )
    await store.write(ALICE, lambda tx: tx.conversations.save(changed))
    found = await store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id))
    kept = replace(changed, key=talk.key, created_at=talk.created_at, last_sequence=1)
    assert found == replace(kept, created_by=None, assistant_id=None, accessed_at=None)


async def test_everything_of_a_conversation_is_kept(store: Store) -> None:
    full = conversation(
        model="m",
        image_model="painter",
        summary="Short.",
        assistant_id=AssistantId(new_id()),
        created_by=ALICE.user_id,
        updated_by=BOB.user_id,
        accessed_by=BOB.user_id,
        accessed_at=at(7),
    )
    await stored(store, full)
    assert await store.read(ALICE, lambda tx: tx.conversations.by_id(full.id)) == full


async def test_who_acted_and_with_which_model_is_kept(store: Store, talk: Conversation) -> None:
    await store.write(ALICE, lambda tx: tx.conversations.touch(talk.id, at(2), by=ALICE.user_id, model="m"))
    await store.write(ALICE, lambda tx: tx.conversations.touch(talk.id, at(3), by=BOB.user_id))
    found = await store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id))
    assert found == replace(talk, updated_at=at(3), updated_by=BOB.user_id, model="m")


async def test_a_look_is_recorded_without_changing_the_rest(store: Store, talk: Conversation) -> None:
    await store.write(ALICE, lambda tx: tx.conversations.record_access(talk.id, at(4), by=BOB.user_id))
    found = await store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id))
    assert found == replace(talk, accessed_at=at(4), accessed_by=BOB.user_id)


async def test_touching_moves_a_conversation_to_the_top(store: Store) -> None:
    old, new = conversation("old", time=1), conversation("new", time=2)
    await stored(store, old, new)
    await store.write(ALICE, lambda tx: tx.conversations.touch(old.id, at(3), by=ALICE.user_id))
    assert await _page(store) == ["old", "new"]


async def test_deleting_leaves_nothing_of_the_conversation_and_everything_of_the_others(store: Store) -> None:
    gone, kept = conversation("gone"), conversation("kept")
    await stored(store, gone, kept)
    sessions = {talk.id: session(talk) for talk in (gone, kept)}
    runs = {talk.id: running_run(talk) for talk in (gone, kept)}

    async def fill(tx: Transaction) -> None:
        for talk in (gone, kept):
            await tx.messages.append(message(talk))
            await tx.runs.add(runs[talk.id])
            await enqueued(tx, talk)
            await tx.events.append(talk.id, [AttemptReset(1)], now=at(0), run_id=runs[talk.id].id, epoch=1)
            await tx.sessions.add(sessions[talk.id])
            await tx.requests.remember(talk.key, RememberedRequest("f", runs[talk.id].id), now=at(0))

    await store.write(ALICE, fill)
    await store.write(ALICE, lambda tx: tx.conversations.delete(gone.id))

    async def remains(tx: Transaction, talk: Conversation) -> list[bool]:
        return [
            await tx.conversations.get(talk.key) is not None,
            bool(await tx.messages.history(talk.id)),
            bool(await tx.messages.queued(talk.id)),
            await tx.runs.get(runs[talk.id].id) is not None,
            bool(await tx.runs.page(talk.id, limit=9, after=None)),
            bool(await tx.events.after(talk.id, 0, limit=9)),
            bool(await tx.events.of_run_after(runs[talk.id].id, 0, limit=9)),
            await tx.sessions.get(sessions[talk.id].id) is not None,
            await tx.requests.find(talk.key, not_before=at(0)) is not None,
        ]

    assert await store.read(ALICE, lambda tx: remains(tx, gone)) == [False] * 9
    assert await store.read(ALICE, lambda tx: remains(tx, kept)) == [True] * 9
    await stored(store, conversation("gone"))


async def test_nothing_can_be_put_into_a_conversation_that_is_not_there(store: Store) -> None:
    ghost = conversation("ghost")
    for unit in (
        lambda tx: tx.messages.append(message(ghost)),
        lambda tx: tx.messages.enqueue(message(ghost)),
        lambda tx: tx.runs.add(queued_run(ghost)),
        lambda tx: tx.sessions.add(session(ghost)),
        lambda tx: tx.events.append(ghost.id, [AttemptReset(1)], now=at(0)),
    ):
        with pytest.raises(ConversationNotFound):
            await store.write(ALICE, unit)


async def test_a_touch_sets_the_models_that_it_names(store: Store, talk: Conversation) -> None:
    by = ALICE.user_id
    await store.write(ALICE, lambda tx: tx.conversations.touch(talk.id, at(1), by=by, image_model="painter"))
    await store.write(ALICE, lambda tx: tx.conversations.touch(talk.id, at(2), by=by, model="writer"))
    found = await store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id))
    assert found is not None
    assert (found.model, found.image_model, found.updated_at) == ("writer", "painter", at(2))


async def test_a_touch_never_sets_the_time_of_change_back(store: Store, talk: Conversation) -> None:
    for seconds in (5, 3):
        await store.write(ALICE, lambda tx, s=seconds: tx.conversations.touch(talk.id, at(s), by=ALICE.user_id))  # type: ignore[misc]
    found = await store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id))
    assert found is not None
    assert found.updated_at == at(5)
