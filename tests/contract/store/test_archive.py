"""The archive: searches give what plain Python would, on every database, ranges fit together, histories are whole."""

import operator
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import re2  # type: ignore[import-untyped]  # it has no stubs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.conversation import Conversation
from server.domain.errors import ReplyTooLarge, SearchTooBroad
from server.domain.ids import AssistantId, ConversationId, OrganizationId, UserId
from server.domain.message import Message
from server.domain.search import Effort, Field, Filter, Kind, Operator, Search
from server.domain.search_terms import read_search
from server.domain.weight import weight_of_message
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, conversation, message, new_id, stored

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 1000
IDS = [new_id() for _ in range(3)]
# Few values, so that searches find something and sort keys are equal.
TEXTS = ["", "a", "ab", "Ab", "é", "\U0001f511", "a\nb", "%", "_"]
MICROS = [0, 1, 999, 1000, 1001, 1_735_689_600_000_000, 1_735_689_600_000_999, 1_735_689_600_001_000]
PATTERNS = ["a", "^a$", "(?i)B", ".", "^$", r"\p{L}", "%"]


async def _find(store: Store, search: Search, *, most: int = _MOST) -> list[Conversation]:
    return await store.read(ALICE, lambda tx: tx.archive.find(search, most=most))


def _search(*filters: Sequence[Any], **terms: Any) -> Search:
    return read_search(filters=filters, effort=Effort(), **terms)


def _time(micros: int) -> datetime:
    return _START + timedelta(microseconds=micros)


_texts, _ids = st.sampled_from(TEXTS), st.sampled_from(IDS)
_times = st.sampled_from(MICROS).map(_time)


@st.composite
def _conversations(draw: st.DrawFn) -> Conversation:
    return replace(
        conversation(),
        name=draw(_texts),
        model=draw(_texts),
        image_model=draw(_texts),
        summary=draw(_texts),
        organization_id=draw(st.none() | _ids.map(OrganizationId)),
        assistant_id=draw(st.none() | _ids.map(AssistantId)),
        created_at=draw(_times),
        updated_at=draw(_times),
        accessed_at=draw(st.none() | _times),
        created_by=draw(st.none() | _ids.map(UserId)),
        updated_by=draw(st.none() | _ids.map(UserId)),
        accessed_by=draw(st.none() | _ids.map(UserId)),
    )


@st.composite
def _filters(draw: st.DrawFn) -> tuple[str, str, Any]:
    field = draw(st.sampled_from(Field))
    signs = set(Operator) - ({Operator.REGEX} if field.kind is Kind.TIME else set())
    sign = draw(st.sampled_from(sorted(signs)))
    if sign is Operator.REGEX:
        return field, sign, draw(st.sampled_from(PATTERNS))
    if field.is_nullable and sign in (Operator.EQUAL, Operator.NOT_EQUAL) and draw(st.booleans()):
        return field, sign, None
    near = st.sampled_from([micros // 1000 for micros in MICROS]) | st.sampled_from([-1, 2**53 - 1, 1 - 2**53])
    return field, sign, draw({Kind.TIME: near, Kind.ID: _ids, Kind.TEXT: _texts}[field.kind])


_searches = st.fixed_dictionaries(
    {
        "filters": st.lists(_filters(), max_size=3),
        "sort_key": st.sampled_from(["", *Field]),
        "descending": st.booleans(),
        "start": st.none() | st.integers(0, 6),
    }
)


def _shown(talk: Conversation) -> dict[str, Any]:
    """A conversation as the archive API shows it, made without any of the service's code."""

    def milliseconds(time: datetime | None) -> int:
        return 0 if time is None else (time - _START) // timedelta(milliseconds=1)

    return {
        "id": talk.id,
        "name": talk.name,
        "model": talk.model,
        "img_gen_model": talk.image_model,
        "summary": talk.summary,
        "organization_id": talk.organization_id,
        "assistant_id": talk.assistant_id,
        "created.user_id": talk.created_by,
        "created.timestamp": milliseconds(talk.created_at),
        "updated.user_id": talk.updated_by,
        "updated.timestamp": milliseconds(talk.updated_at),
        "accessed.user_id": talk.accessed_by,
        "accessed.timestamp": milliseconds(talk.accessed_at),
    }


_COMPARED = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}


def _holds(value: Any, sign: str, operand: Any) -> bool:
    if sign in ("==", "!="):
        return (value == operand) is (sign == "==")
    if value is None:
        return False
    if sign == "regex":
        return re2.search(operand, value) is not None
    return bool(_COMPARED[sign](value, operand))


def _expected(talks: Sequence[Conversation], terms: dict[str, Any]) -> list[ConversationId]:
    found = [
        talk for talk in talks if all(_holds(_shown(talk)[name], sign, value) for name, sign, value in terms["filters"])
    ]
    key = terms["sort_key"] or "created.timestamp"

    def order(talk: Conversation) -> tuple[Any, ...]:
        # Times sort by the microsecond, which they do not show.
        time = {"created.timestamp": talk.created_at, "updated.timestamp": talk.updated_at}.get(key)
        if key == "accessed.timestamp":
            time = talk.accessed_at or _START
        value = _shown(talk)[key] if time is None else time
        return (value is not None, value, talk.id) if value is not None else (False, talk.id)

    ordered = sorted(found, key=order, reverse=terms["descending"])
    return [talk.id for talk in ordered][terms["start"] or 0 :]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(talks=st.lists(_conversations(), max_size=8), searches=st.lists(_searches, min_size=1, max_size=8))
async def test_a_search_finds_what_plain_python_finds(
    store: Store, talks: list[Conversation], searches: list[dict[str, Any]]
) -> None:
    await _emptied(store)
    await stored(store, *talks, conversation(owner=BOB), conversation(owner=ALICE_ELSEWHERE))
    for terms in searches:
        found = await _find(store, read_search(effort=Effort(), **terms))
        assert [talk.id for talk in found] == _expected(talks, terms), terms
        assert all(talk in talks for talk in found)


async def _emptied(store: Store) -> None:
    for owner in (ALICE, BOB, ALICE_ELSEWHERE):
        for talk in await store.read(owner, lambda tx: tx.archive.find(Search(), most=_MOST)):
            await store.write(owner, lambda tx, talk=talk: tx.conversations.delete(talk.id))  # type: ignore[misc]


@pytest.mark.parametrize("sort", Field)
@pytest.mark.parametrize("descending", [False, True])
async def test_ranges_are_parts_of_one_order_even_where_keys_are_equal(
    store: Store, sort: Field, descending: bool
) -> None:
    talks = [conversation(name=f"{number % 3}", time=number % 4) for number in range(11)]
    await stored(store, *talks)
    whole = await _find(store, Search(sort=sort, descending=descending))
    assert len(whole) == len(talks)
    paged: list[Conversation] = []
    for start in range(0, 12, 3):
        page = await _find(store, Search(sort=sort, descending=descending, start=start, end=start + 3))
        paged += page
    assert paged == whole


@pytest.mark.parametrize("pattern", [[], [("name", "regex", "Talk")]])
async def test_no_conversation_comes_twice_or_never_while_others_are_made(
    store: Store, pattern: list[tuple[str, str, str]]
) -> None:
    """In the default order, which is by age: what is made between two pages enters behind them."""
    talks = [conversation(time=number // 2) for number in range(10)]
    await stored(store, *talks)
    paged: list[ConversationId] = []
    for start in range(0, 30, 3):
        found = await _find(store, _search(*pattern, start=start, end=start + 3))
        paged += [talk.id for talk in found]
        await stored(store, conversation(time=100 + start))
    assert len(paged) == len(set(paged))
    assert paged[: len(talks)] == [talk.id for talk in sorted(talks, key=lambda talk: (talk.created_at, talk.id))]


async def test_a_range_ends_where_it_is_told(store: Store) -> None:
    await stored(store, *[conversation(f"{number}", time=number) for number in range(5)])
    found = await _find(store, Search(start=1, end=3))
    assert [talk.key for talk in found] == ["1", "2"]
    assert await _find(store, Search(start=2, end=2)) == []
    assert await _find(store, _search(("name", "regex", "."), start=2, end=2)) == []
    assert await _find(store, Search(start=5, end=2**62)) == []


@pytest.mark.parametrize("filters", [[], [("name", "regex", "T")]])
async def test_no_more_than_most_are_found(store: Store, filters: list[tuple[str, str, str]]) -> None:
    await stored(store, *[conversation(time=number) for number in range(5)])
    assert len(await _find(store, _search(*filters), most=4)) == 4


async def test_a_pattern_that_would_look_through_too_much_is_given_up(store: Store, talk: Conversation) -> None:
    await stored(store, *[conversation() for _ in range(10)])
    search = _search(("name", "regex", "never"))
    assert await _find(store, replace(search, effort=Effort(texts=11))) == []
    with pytest.raises(SearchTooBroad):
        await _find(store, replace(search, effort=Effort(texts=10)))
    with pytest.raises(SearchTooBroad):
        await _find(store, replace(search, effort=Effort(time=timedelta())))
    # The connection goes on as if nothing had been, with or without patterns.
    assert await store.read(ALICE, lambda tx: tx.conversations.get(talk.key)) == talk
    assert await _find(store, search) == []


async def test_other_filters_spare_the_pattern_its_work(store: Store) -> None:
    await stored(store, conversation(model="m"), *[conversation(model="n") for _ in range(10)])
    search = _search(("name", "regex", "Talk"), ("model", "==", "m"))
    assert len(await _find(store, replace(search, effort=Effort(texts=1)))) == 1


async def test_a_pattern_may_be_looked_for_while_writing(store: Store, talk: Conversation) -> None:
    search = _search(("name", "regex", "^T.lk$"))
    assert await store.write(ALICE, lambda tx: tx.archive.find(search, most=9)) == [talk]


async def test_histories_are_whole_and_in_order(store: Store) -> None:
    talks = [conversation() for _ in range(5)]
    await stored(store, *talks)

    async def fill(tx: Transaction) -> dict[ConversationId, list[Message]]:
        histories: dict[ConversationId, list[Message]] = {talk.id: [] for talk in talks}
        for number in range(150):
            talk = talks[number % 4]
            histories[talk.id].append(await tx.messages.append(message(talk, f"{number}")))
        await tx.messages.enqueue(message(talks[0], "waits"))
        return histories

    histories = await store.write(ALICE, fill)
    asked = [talk.id for talk in talks]
    assert await store.read(ALICE, lambda tx: tx.archive.histories(asked, most_bytes=10**6)) == histories
    assert await store.read(ALICE, lambda tx: tx.archive.histories([], most_bytes=0)) == {}
    one = talks[1].id
    assert await store.read(ALICE, lambda tx: tx.archive.histories([one], most_bytes=10**6)) == {one: histories[one]}


async def test_histories_that_weigh_too_much_are_refused(store: Store, talk: Conversation) -> None:
    said = [message(talk, "é" * 1000), message(talk, "x")]

    async def fill(tx: Transaction) -> None:
        for each in said:
            await tx.messages.append(each)

    await store.write(ALICE, fill)
    weight = sum(map(weight_of_message, said))
    assert weight > 2001
    assert await store.read(ALICE, lambda tx: tx.archive.histories([talk.id], most_bytes=weight))
    with pytest.raises(ReplyTooLarge):
        await store.read(ALICE, lambda tx: tx.archive.histories([talk.id], most_bytes=weight - 1))


async def test_of_anothers_conversations_only_the_tenants_own_are_told(store: Store, talk: Conversation) -> None:
    async def tells(owner: Any, conversation_id: ConversationId) -> bool:
        return await store.read(owner, lambda tx: tx.archive.is_anothers(conversation_id))

    assert await tells(BOB, talk.id)
    assert not await tells(ALICE, talk.id)
    assert not await tells(ALICE_ELSEWHERE, talk.id)
    assert not await tells(BOB, ConversationId(new_id()))


def test_filters_are_what_they_were_read_from() -> None:
    search = _search(("updated.timestamp", ">=", 5.0), ("id", "==", IDS[0].upper()))
    assert search.filters == (
        Filter(Field.UPDATED_AT, Operator.AT_LEAST, 5),
        Filter(Field.ID, Operator.EQUAL, IDS[0]),
    )
