"""Searches in the messages of the transaction's owner: one statement for each shape of a search and each database.

The index gives the messages in which all words occur; what they have beyond that (words side by side, none of an
excluded phrase) is looked up in their words, in the same statement.
"""

from functools import lru_cache
from typing import Final

from sqlalchemy import bindparam, select

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Row
from server.adapters.store.message_matching import least_ranked, matched
from server.adapters.store.message_shape import Shape, parameters_of, shape_of
from server.adapters.store.messages import ROLES, STATUSES
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, owned
from server.adapters.store.times import moment
from server.domain.excerpt import excerpt
from server.domain.ids import MessageId
from server.domain.message_query import MessageQuery
from server.domain.message_search import MOST_RANKED, HitPosition, MessageHit, MessageSearch, SearchOrder

_message = tables.messages.c
_STATEMENTS_KEPT: Final = 256
# A message may be a MiB or more: so many are held at once.
_ROWS_AT_ONCE: Final = 8


class StoredMessageIndex:
    """See `ports.message_search.MessageIndex`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def find(self, search: MessageSearch, *, limit: int, after: HitPosition | None) -> list[MessageHit]:
        """The hits of a search in its order, behind a position."""
        dialect = self._scope.dialect.name
        wanted = parameters_of(self._scope.owner, search, dialect, after)
        floor = after.floor if after else 0
        if search.order is SearchOrder.RELEVANCE:
            # As many again may have come since the first page; that a position says so need not be true.
            most = MOST_RANKED if after is None else 2 * MOST_RANKED
            least = await self._scope.fetch_one(least_ranked_statement(dialect), **wanted, beyond=most - 1)
            wanted["first"] = max(wanted["first"], least[0] if least else 0)
            floor = floor if after else wanted["first"]
        rows = await self._scope.fetch(found_statement(shape_of(search, dialect)), **wanted, limit=limit)
        positions = {row[2]: HitPosition(row[1], row[0], MessageId(row[2]), floor) for row in rows}
        return await self._shown(positions, search.query) if positions else []

    async def _shown(self, positions: dict[str, HitPosition], query: MessageQuery) -> list[MessageHit]:
        """The messages of these ids in their order, each read, cut and let go."""
        ids = list(positions)
        places = _places_for(len(ids))
        padded = [*ids, *[ids[0]] * (places - len(ids))]
        cursor = await self._scope.open(shown_statement(places), **{f"id_{n}": each for n, each in enumerate(padded)})
        hits: dict[str, MessageHit] = {}
        has_more = True
        while has_more:
            rows = await cursor.fetch(_ROWS_AT_ONCE)
            has_more = len(rows) == _ROWS_AT_ONCE
            hits.update({row[0]: _hit(row, positions[row[0]], query) for row in rows})
        return [hits[each] for each in ids if each in hits]


@lru_cache(maxsize=_STATEMENTS_KEPT)
def found_statement(shape: Shape) -> Owned:
    """Numbers, scores and ids of the hits of all searches of a shape, in their order. Its parameters are those of
    `parameters_of`, and `limit`."""
    return matched(shape)


@lru_cache(maxsize=2)
def least_ranked_statement(dialect: str) -> Owned:
    """The number of the oldest hit that is ranked, if there are so many. Its parameters are those of `parameters_of`,
    and `beyond`."""
    return least_ranked(dialect)


@lru_cache(maxsize=8)
def shown_statement(places: int) -> Owned:
    """What is shown of so many messages: parameters `id_0` and so on. A place may repeat another."""
    conversation = tables.conversations.c
    ids = [bindparam(f"id_{number}", type_=STRING) for number in range(places)]
    shown = (
        *(_message.id, conversation.key, _message.role, _message.created_at, _message.status, _message.content),
        *(_message.model, _message.run_id, _message.branch),
    )
    of_ids = select(*shown).join(tables.conversations, conversation.id == _message.conversation_id)
    return owned(of_ids.where(_message.id.in_(ids)), tables.messages)


def _hit(row: Row, position: HitPosition, query: MessageQuery) -> MessageHit:
    _, key, role, created, status, content, model, run_id, branch = row
    return MessageHit(
        position=position,
        conversation_key=key,
        role=ROLES[role],
        created_at=moment(created),
        status=STATUSES[status],
        excerpt=excerpt(content, query),
        model=model,
        run_id=run_id,
        branch=branch,
    )


def _places_for(count: int) -> int:
    """The next power of two: a few statements serve lists of every length."""
    return 1 << (count - 1).bit_length()
