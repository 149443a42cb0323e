"""Histories of several conversations of the owner, read by one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from sqlalchemy import bindparam, literal_column, select

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.messages import COLUMNS, message_of
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, owned
from server.domain.errors import ReplyTooLarge
from server.domain.ids import ConversationId
from server.domain.message import Message
from server.domain.weight import weight_of_message

_table = tables.messages
_c = _table.c
_STATEMENTS_KEPT: Final = 16
# A message may be a MiB or more: so many are held before they are weighed.
_ROWS_AT_ONCE: Final = 64


class StoredHistories:
    """Reads histories as far as they fit."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def of(
        self, conversation_ids: Sequence[ConversationId], *, most_bytes: int
    ) -> dict[ConversationId, list[Message]]:
        """The history of each conversation, in order. Raises `ReplyTooLarge`."""
        histories: dict[ConversationId, list[Message]] = {each: [] for each in conversation_ids}
        if not histories:
            return histories
        places = _places_for(len(histories))
        padded = [*histories, *[conversation_ids[0]] * (places - len(histories))]
        cursor = await self._scope.open(
            histories_statement(places), **{f"id_{number}": each for number, each in enumerate(padded)}
        )
        weight, has_more = 0, True
        while has_more:
            rows = await cursor.fetch(_ROWS_AT_ONCE)
            has_more = len(rows) == _ROWS_AT_ONCE
            for row in rows:
                message = message_of(row)
                weight += weight_of_message(message)
                histories[message.conversation_id].append(message)
            if weight > most_bytes:
                raise ReplyTooLarge("the messages do not fit into one reply")
        return histories


@lru_cache(maxsize=_STATEMENTS_KEPT)
def histories_statement(places: int) -> Owned:
    """The histories of so many conversations: parameters `id_0` and so on. A place may repeat another."""
    ids = [bindparam(f"id_{number}", type_=STRING) for number in range(places)]
    in_history = _c.position > literal_column("0")
    sought = select(*COLUMNS).where(_c.conversation_id.in_(ids), in_history)
    return owned(sought.order_by(_c.conversation_id, _c.position), _table)


def _places_for(count: int) -> int:
    """The next power of two: a few statements serve lists of every length."""
    return 1 << (count - 1).bit_length()
