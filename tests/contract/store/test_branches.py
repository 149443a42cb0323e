"""Branches: one history is active, all of them stay readable, and no message is lost or copied."""

from dataclasses import replace
from random import Random

import pytest

from server.domain.branch import ORIGINAL, Branch, BranchCause, BranchTree
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound
from server.domain.ids import MessageId
from server.domain.message import Message, MessageStatus
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, message, new_id, stored


async def _tree(tx: Transaction, of: Conversation) -> BranchTree:
    tree = await tx.branches.tree(of.id)
    assert tree is not None
    return tree


async def _fork(tx: Transaction, of: Conversation, source: int, kept: int) -> int:
    tree = await _tree(tx, of)
    source_id = MessageId(new_id())
    branch = tree.forked(source, kept=kept, cause=BranchCause.EDIT, source_message_id=source_id, now=at(9))
    await tx.branches.start(of.id, branch)
    return branch.number


async def _say(tx: Transaction, of: Conversation, *texts: str) -> list[Message]:
    return [await tx.messages.append(message(of, text)) for text in texts]


def _texts(messages: list[Message]) -> str:
    return "".join(item.content for item in messages)


async def test_a_conversation_begins_with_one_branch(store: Store, talk: Conversation) -> None:
    await store.write(ALICE, lambda tx: _say(tx, talk, "a", "b"))
    tree = await store.read(ALICE, lambda tx: _tree(tx, talk))
    assert list(tree) == [tree.active] == [Branch(ORIGINAL, None, 0, BranchCause.ORIGINAL, talk.created_at, 2)]
    assert await store.read(ALICE, lambda tx: tx.branches.tree(conversation("none").id)) is None


async def test_what_a_new_branch_does_not_share_leaves_the_history_and_stays_readable(
    store: Store, talk: Conversation
) -> None:
    async def unit(tx: Transaction) -> tuple[list[Message], list[Message]]:
        old = await _say(tx, talk, "a", "b", "c", "d")
        await _fork(tx, talk, ORIGINAL, 1)
        return old, await _say(tx, talk, "x", "y")

    old, new = await store.write(ALICE, unit)

    async def look(tx: Transaction) -> None:
        assert await tx.messages.history(talk.id) == [old[0], *new]
        assert await tx.messages.history(talk.id, last=2) == new
        assert await tx.messages.count(talk.id) == 3
        assert [item.position for item in new] == [2, 3]
        departed = [replace(item, branch=ORIGINAL) for item in old[1:]]
        assert await tx.branches.page(talk.id, ORIGINAL, after=0, limit=9) == [old[0], *departed]
        assert await tx.branches.page(talk.id, ORIGINAL, after=2, limit=1) == [departed[1]]
        assert await tx.branches.page(talk.id, 2, after=1, limit=9) == new
        assert await tx.branches.page(talk.id, 3, after=0, limit=9) == []
        assert await tx.messages.get(old[3].id) == departed[2]

    await store.read(ALICE, look)


async def test_a_branch_that_is_active_again_is_the_history_and_is_extended(store: Store, talk: Conversation) -> None:
    async def unit(tx: Transaction) -> None:
        await _say(tx, talk, "a", "b", "c")
        await _fork(tx, talk, ORIGINAL, 2)
        await _say(tx, talk, "x")
        await tx.branches.activate(talk.id, ORIGINAL)
        await _say(tx, talk, "d")

    await store.write(ALICE, unit)
    assert _texts(await store.read(ALICE, lambda tx: tx.messages.history(talk.id))) == "abcd"
    assert _texts(await store.read(ALICE, lambda tx: tx.branches.page(talk.id, 2, after=0, limit=9))) == "abx"
    found = await store.read(ALICE, lambda tx: tx.conversations.get("talk"))
    assert found is not None
    assert found.branch == ORIGINAL


async def test_what_waits_belongs_to_no_branch_and_follows_in_the_active_one(store: Store, talk: Conversation) -> None:
    waiting = message(talk, "w")

    async def unit(tx: Transaction) -> Message:
        await _say(tx, talk, "a", "b")
        await tx.messages.enqueue(waiting)
        await _fork(tx, talk, ORIGINAL, 0)
        await _say(tx, talk, "x")
        return await tx.messages.admit(waiting.id)

    admitted = await store.write(ALICE, unit)
    assert (admitted.position, admitted.branch, admitted.status) == (2, None, MessageStatus.COMPLETE)
    assert _texts(await store.read(ALICE, lambda tx: tx.messages.history(talk.id))) == "xw"


async def test_another_conversation_is_left_alone(store: Store, talk: Conversation) -> None:
    other = conversation("other")
    await stored(store, other)

    async def unit(tx: Transaction) -> None:
        for item in (talk, other):
            await _say(tx, item, "a", "b")
        await _fork(tx, talk, ORIGINAL, 1)

    await store.write(ALICE, unit)
    assert _texts(await store.read(ALICE, lambda tx: tx.messages.history(other.id))) == "ab"
    assert len(list(await store.read(ALICE, lambda tx: _tree(tx, other)))) == 1


async def test_no_branch_starts_where_there_is_no_conversation(store: Store, talk: Conversation) -> None:
    tree = await store.read(ALICE, lambda tx: _tree(tx, talk))
    branch = tree.forked(ORIGINAL, kept=0, cause=BranchCause.EDIT, source_message_id=MessageId("m"), now=at(1))
    with pytest.raises(ConversationNotFound):
        await store.write(ALICE, lambda tx: tx.branches.start(conversation("none").id, branch))


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_history_is_extended_by_several_messages_at_once(store: Store, talk: Conversation, count: int) -> None:
    first = await store.write(ALICE, lambda tx: tx.messages.append(message(talk, "first")))
    more = [message(talk, str(number), position=77, branch=4) for number in range(count)]
    await store.write(ALICE, lambda tx: tx.messages.extend(talk.id, more))
    expected = [replace(item, position=place, branch=None) for place, item in enumerate(more, 2)]
    assert await store.read(ALICE, lambda tx: tx.messages.history(talk.id)) == [first, *expected]
    last = await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
    assert last.position == 2 + count


@pytest.mark.parametrize("seed", range(4))
async def test_random_branches_are_what_a_list_of_lists_says(store: Store, talk: Conversation, seed: int) -> None:
    random = Random(seed)
    branches: dict[int, list[str]] = {ORIGINAL: []}
    active, said = ORIGINAL, 0
    for _ in range(25):
        match random.choice(("say", "say", "fork", "activate")):
            case "say":
                texts = [str(said + number) for number in range(random.randrange(4))]
                said += len(texts)
                branches[active] += texts
                await store.write(ALICE, lambda tx, texts=texts: _say(tx, talk, *texts))  # type: ignore[misc]
            case "fork":
                source = random.choice(list(branches))
                kept = random.randint(0, len(branches[source]))
                active = await store.write(ALICE, lambda tx, s=source, k=kept: _fork(tx, talk, s, k))  # type: ignore[misc]
                branches[active] = branches[source][:kept]
            case "activate":
                active = random.choice(list(branches))
                await store.write(ALICE, lambda tx, to=active: tx.branches.activate(talk.id, to))  # type: ignore[misc]
        await _check(store, talk, branches, active)


async def _check(store: Store, talk: Conversation, branches: dict[int, list[str]], active: int) -> None:
    async def unit(tx: Transaction) -> None:
        history = await tx.messages.history(talk.id)
        assert [item.content for item in history] == branches[active]
        assert [item.position for item in history] == list(range(1, len(history) + 1))
        assert await tx.messages.count(talk.id) == len(history)
        tree = await _tree(tx, talk)
        assert {branch.number: branch.length for branch in tree} == {
            number: len(texts) for number, texts in branches.items()
        }
        for number, texts in branches.items():
            page = await tx.branches.page(talk.id, number, after=0, limit=99)
            assert [item.content for item in page] == texts
            assert [item.position for item in page] == list(range(1, len(page) + 1))
            middle = len(texts) // 2
            part = await tx.branches.page(talk.id, number, after=middle, limit=2)
            assert [item.content for item in part] == texts[middle : middle + 2]

    await store.read(ALICE, unit)
