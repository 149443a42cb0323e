"""What a search in messages finds: on both databases what a reading of every message, one by one, would find."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from server.adapters.store import message_search
from server.domain.branch import ORIGINAL, Branch, BranchCause
from server.domain.conversation import Conversation
from server.domain.message import Message, MessageStatus, Role
from server.domain.message_query import MessageQuery, Term, read_query
from server.domain.message_search import IN_HISTORY, HitPosition, MessageHit, MessageSearch, SearchOrder
from server.domain.principal import Owner
from server.domain.words import folded_words
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, at, conversation, message, stored


async def said(store: Store, talk: Conversation, *texts: str, **fields: Any) -> list[Message]:
    """Messages of these texts at the end of a conversation, a second apart."""
    made = [message(talk, text, time=number, **fields) for number, text in enumerate(texts)]
    await store.write(talk.owner, lambda tx: tx.messages.extend(talk.id, made))
    return made


async def found(store: Store, query: str, *, owner: Owner = ALICE, **search: Any) -> list[str]:
    """The texts of the hits of a query, in order, as far as their excerpts show them."""
    return [hit.excerpt.text for hit in await hits(store, query, owner=owner, **search)]


async def hits(
    store: Store,
    query: str,
    *,
    owner: Owner = ALICE,
    limit: int = 1000,
    after: HitPosition | None = None,
    **search: Any,
) -> list[MessageHit]:
    """The hits of a query."""
    wanted = MessageSearch(read_query(query), **search)
    return await store.read(owner, lambda tx: tx.message_index.find(wanted, limit=limit, after=after))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("fox", "013"),
        ("FOX", "013"),
        ("fox quick", "0"),
        ("quick fox", "0"),
        ('"brown fox"', "0"),
        ('"fox brown"', "1"),
        ('"quick fox"', ""),
        ("fox -brown", "3"),
        ('fox -"brown fox"', "13"),
        ("fo*", "0134"),
        ("fo", ""),
        ("fox -fo*", ""),
        ("quick bro*", "0"),
        ('-the "brown fox', ""),
        ('-lazy "brown fox', "0"),
        ("strasse", "5"),
        ("STRASSE", "5"),
        ("Straße", "5"),
        ("cafe", "6"),
        ("café", "6"),
        ("CAFE\u0301", "6"),
        ("東京", "7"),
        ("京", "7"),
        ("東タ", ""),
        ("タワー", "7"),
        ("\uff80\uff9c\uff70", "7"),
        ("привет", "8"),
        ("ПРИВЕТ МИР", "8"),
        ("한국", ""),
        ("한국*", "9"),
        ("สวัส", "a"),
        ("วส", ""),
        ("AND", "b"),
        ("OR NOT", "b"),
        ("NEAR", "b"),
        ("words:fox", ""),
        ("rowid:b", ""),
        ("it's", "c"),
        ("anna@example.com", "c"),
        ('fox" OR "x', ""),
        ("fox' | 'x", ""),
        ("' & !x:*", ""),
        ("x'::tsquery", ""),
        ("a\0b", ""),
        ("longest" + "x" * 60, "d"),
        ("longest" + "x" * 33 + "yz", "d"),
        ("wruser", ""),
        ("ruser", ""),
        ("user", ""),
    ],
)
async def test_a_query_finds_what_it_says(store: Store, talk: Conversation, query: str, numbers: str) -> None:
    texts = [
        "The quick brown fox",
        "fox, brown",
        "nothing",
        "One more Fox!",
        "food",
        "Lange Straße 5",
        "Im Café",
        "東京タワーへ行く",
        "Привет, мир",
        "한국어를 배우다",
        "สวัสดีครับ",
        "AND OR NOT NEAR are words",
        "It's anna@example.com",
        "longest" + "x" * 99,
    ]
    made = await said(store, talk, *texts)
    names = dict(zip([each.id for each in made], "0123456789abcd", strict=True))
    assert sorted(names[hit.position.message_id] for hit in await hits(store, query)) == sorted(numbers)


async def test_only_the_owner_finds_a_message(store: Store) -> None:
    for owner in (ALICE, BOB, ALICE_ELSEWHERE):
        talk = conversation("talk", owner=owner, organization_id="shared")
        await stored(store, talk)
        await said(store, talk, f"secret of {owner.user} at {owner.tenant}")
    for owner in (ALICE, BOB, ALICE_ELSEWHERE):
        for order in SearchOrder:
            assert await found(store, "secret", owner=owner, order=order) == [
                f"secret of {owner.user} at {owner.tenant}"
            ]


async def test_filters_narrow_a_search_together(store: Store, talk: Conversation) -> None:
    other = conversation("other")
    await stored(store, other)
    await said(store, talk, "word one", "word two")
    await said(store, talk, "word three", role=Role.ASSISTANT, model="m")
    await said(store, other, "word four", role=Role.ASSISTANT, model="n", status=MessageStatus.FAILED)
    await said(store, other, "word five", role=Role.TOOL)
    await said(store, other, "word six", role=Role.SYSTEM)

    async def numbers(**search: Any) -> set[str]:
        return {text.removeprefix("word ") for text in await found(store, "word", **search)}

    assert await numbers() == {"one", "two", "three", "four"}
    assert await numbers(roles=frozenset({Role.TOOL})) == {"five"}
    assert await numbers(roles=frozenset(Role)) == {"one", "two", "three", "four", "five", "six"}
    assert await numbers(roles=frozenset({Role.ASSISTANT})) == {"three", "four"}
    assert await numbers(model="m") == {"three"}
    assert await numbers(model="x") == set()
    assert await numbers(conversation_id=other.id) == {"four"}
    assert await numbers(conversation_id=other.id, model="m") == set()
    assert await numbers(statuses=frozenset({MessageStatus.FAILED})) == {"four"}
    assert await numbers(statuses=frozenset({MessageStatus.FAILED}), roles=frozenset({Role.USER})) == set()
    assert await numbers(since=at(1)) == {"two"}
    assert await numbers(until=at(1)) == {"one", "three", "four"}
    assert await numbers(since=at(0.0001), until=at(1)) == set()
    assert await numbers(since=at(0), until=at(0.000001), conversation_id=talk.id) == {"one", "three"}


async def test_what_left_the_history_is_found_when_asked_for(store: Store, talk: Conversation) -> None:
    await said(store, talk, "kept word", "edited word")
    branch = Branch(2, ORIGINAL, 1, BranchCause.EDIT, at(5), 1)
    await store.write(ALICE, lambda tx: tx.branches.start(talk.id, branch))
    await said(store, talk, "new word")
    assert set(await found(store, "word")) == {"kept word", "new word"}
    of_all = await hits(store, "word", all_branches=True)
    assert {(hit.excerpt.text, hit.branch) for hit in of_all} == {
        ("kept word", None),
        ("new word", None),
        ("edited word", 1),
    }
    await store.write(ALICE, lambda tx: tx.branches.activate(talk.id, 1))
    assert set(await found(store, "word")) == {"kept word", "edited word"}


async def test_what_waits_is_found_when_named_and_by_default_once_it_is_admitted(
    store: Store, talk: Conversation
) -> None:
    first, second = message(talk, "waiting word"), message(talk, "withdrawn word")
    for each in (first, second):
        await store.write(ALICE, lambda tx, each=each: tx.messages.enqueue(each))  # type: ignore[misc]
    await store.write(ALICE, lambda tx: tx.messages.withdraw(second.id))
    assert await found(store, "word") == []
    assert await found(store, "word", statuses=frozenset({MessageStatus.QUEUED})) == ["waiting word"]
    assert await found(store, "word", statuses=frozenset({MessageStatus.CANCELLED})) == ["withdrawn word"]
    await store.write(ALICE, lambda tx: tx.messages.admit(first.id))
    assert await found(store, "word") == ["waiting word"]


async def test_neither_thoughts_nor_calls_are_found(store: Store, talk: Conversation) -> None:
    await said(store, talk, "answer", reasoning="hidden", role=Role.ASSISTANT)
    assert await found(store, "hidden") == []
    assert await found(store, "answer") == ["answer"]


async def test_the_words_of_a_unit_that_fails_are_not_found(store: Store, talk: Conversation) -> None:
    async def fail(tx: Transaction) -> None:
        await tx.messages.append(message(talk, "lost"))
        raise KeyError

    with pytest.raises(KeyError):
        await store.write(ALICE, fail)
    assert await found(store, "lost") == []


async def test_nothing_is_found_of_a_deleted_conversation(store: Store, talk: Conversation) -> None:
    kept = conversation("kept")
    await stored(store, kept)
    await said(store, talk, "a word", "another word")
    await said(store, kept, "a kept word")
    await store.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    assert await found(store, "word", all_branches=True) == ["a kept word"]


async def test_copies_that_keep_their_time_are_all_found(store: Store, talk: Conversation) -> None:
    copies = [message(talk, f"copy {number}") for number in range(50)]
    await store.write(ALICE, lambda tx: tx.messages.extend(talk.id, copies))
    assert sorted(await found(store, "copy")) == sorted(each.content for each in copies)


async def test_a_long_text_is_found_by_its_words_as_far_as_they_are_searched(store: Store, talk: Conversation) -> None:
    many = " ".join(f"w{number}" for number in range(20_000))
    often = "the " * 10_000 + "the cat " + "x" * 100_000
    wide = " ".join(chr(0x10400 + number % 40) * 40 + str(number) for number in range(16_000))
    await said(store, talk, many, often, wide)
    for query, count in (("w0 w16383", 1), ("w16384", 0), ('"w9000 w9001"', 1), ('"the cat"', 1), ('"cat the"', 0)):
        assert len(await hits(store, query)) == count, query


async def test_the_newest_come_first_and_pages_fit_together_whatever_is_stored_meanwhile(
    store: Store, talk: Conversation
) -> None:
    made = await said(store, talk, *(f"word {'word ' * (number % 7)}{number}" for number in range(60)))
    for order in SearchOrder:
        whole = [hit.position.message_id for hit in await hits(store, "word", order=order)]
        paged: list[str] = []
        after: HitPosition | None = None
        for number in range(100):
            page = await hits(store, "word", order=order, limit=7, after=after)
            if not page:
                break
            paged += [hit.position.message_id for hit in page]
            after = page[-1].position
            late = message(talk, f"{'word ' * number}", time=number)
            await store.write(ALICE, lambda tx, late=late: tx.messages.append(late))  # type: ignore[misc]
        assert len(paged) == len(set(paged))
        assert [each for each in paged if each in whole] == whole
    newest = [hit.created_at for hit in await hits(store, "word")]
    assert newest == sorted(newest, reverse=True)
    assert {each.id for each in made} <= {hit.position.message_id for hit in await hits(store, "word")}


async def test_by_relevance_more_of_the_words_in_a_shorter_text_come_first(store: Store, talk: Conversation) -> None:
    await said(store, talk, "fox and fox", "fox", f"fox {'and more ' * 99}", "fox fox fox! A fox, a fox.", "fox fox")
    texts = await found(store, "fox", order=SearchOrder.RELEVANCE)
    assert texts[0] == "fox fox fox! A fox, a fox."
    assert texts[-1].startswith("fox and more")
    assert texts.index("fox and fox") < texts.index("fox")


def reference(texts: Sequence[str], query: MessageQuery) -> set[int]:
    """Which texts a query finds, by looking at each."""

    def has(words: list[str], term: Term) -> bool:
        width = len(term.words)
        for start in range(len(words) - width + 1):
            window = words[start : start + width]
            if tuple(window) == term.words:
                return True
            if term.is_prefix and (*window[:-1], window[-1][: len(term.words[-1])]) == term.words:
                return True
        return False

    worded = [folded_words(text) for text in texts]
    return {
        number
        for number, words in enumerate(worded)
        if all(has(words, term) for term in query.wanted) and not any(has(words, term) for term in query.excluded)
    }


WORDS = [
    *["a", "b", "aa", "ab", "ba", "É", "e", "ß", "ss", "東", "京", "東京", "한국", "한", "Fox", "fox-", "x1", "1"],
    "it's",
    "ﬁ",
    "\U0001f600",
    "e\u0301",
    "हिन्दी",
]


@pytest.mark.parametrize("seed", range(4))
async def test_random_queries_find_what_a_look_at_every_text_finds(store: Store, talk: Conversation, seed: int) -> None:
    chance = random.Random(seed)

    def text(most: int) -> str:
        return chance.choice((" ", ", ", "")).join(chance.choices(WORDS, k=chance.randint(1, most)))

    texts = [text(8) for _ in range(60)]
    made = await said(store, talk, *texts)
    bobs = conversation("bobs", owner=BOB)
    await stored(store, bobs)
    await said(store, bobs, *texts)
    for _ in range(120):
        parts = []
        for _ in range(chance.randint(1, 4)):
            part = chance.choice((chance.choice(WORDS), f'"{text(3)}"', f"{chance.choice(WORDS)}*", text(2)))
            parts.append(f"-{part}" if chance.random() < 0.25 else part)
        query = read_query(" ".join([chance.choice(("a", "e", "東", "f*", "b")), *parts]))
        for order in SearchOrder:
            wanted = MessageSearch(query, order=order)
            got = await store.read(
                ALICE,
                lambda tx, wanted=wanted: tx.message_index.find(wanted, limit=100, after=None),  # type: ignore[misc]
            )
            assert {hit.position.message_id for hit in got} == {made[n].id for n in reference(texts, query)}, query


async def test_what_nobody_narrows_is_every_status_of_a_history(store: Store, talk: Conversation) -> None:
    made = [message(talk, f"word {status}", status=status) for status in sorted(IN_HISTORY)]
    await store.write(ALICE, lambda tx: tx.messages.extend(talk.id, [replace(each) for each in made]))
    assert len(await found(store, "word")) == len(IN_HISTORY)


async def test_by_relevance_the_newest_of_very_many_hits_are_ranked_from_the_first_page_on(
    store: Store, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "MOST_RANKED", 6)

    async def say(number: int, text: str) -> None:
        await store.write(ALICE, lambda tx: tx.messages.append(message(talk, text, time=number)))

    for number in range(4):
        await say(number, f"tea tea tea {number}")
    assert len(await hits(store, "tea", order=SearchOrder.RELEVANCE)) == 4
    for number in range(4, 10):
        await say(number, f"tea {number}" + " tea" * (number % 2))
    texts = ["tea 9 tea", "tea 7 tea", "tea 5 tea", "tea 8", "tea 6", "tea 4"]
    assert await found(store, "tea", order=SearchOrder.RELEVANCE) == texts
    first = await hits(store, "tea", order=SearchOrder.RELEVANCE, limit=4)
    for number in range(10, 14):
        await say(number, f"tea tea tea {number}")
    rest = await hits(store, "tea", order=SearchOrder.RELEVANCE, after=first[-1].position)
    assert [each.excerpt.text for each in (*first, *rest)] == texts
    forged = replace(first[-1].position, score=2**62, floor=0)
    assert len(await hits(store, "tea", order=SearchOrder.RELEVANCE, after=forged)) == 12
    assert await found(store, "tea", order=SearchOrder.RELEVANCE, since=at(0), until=at(4)) == [
        f"tea tea tea {number}" for number in (3, 2, 1, 0)
    ]
    assert len(await hits(store, "tea")) == 14
