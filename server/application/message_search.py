"""Searching what was said."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from server.application.conversations import find
from server.application.paging import Page, cut, parts_position, parts_token
from server.domain.errors import FieldViolation, InvalidField, InvalidPageToken
from server.domain.ids import MessageId
from server.domain.message import MessageStatus, Role
from server.domain.message_query import read_query
from server.domain.message_search import IN_HISTORY, USUAL_ROLES, HitPosition, MessageHit, MessageSearch, SearchOrder
from server.domain.principal import Owner
from server.ports.store import Store, Transaction

DEFAULT_PAGE: Final = 20
_KIND: Final = "search"
_MOST: Final = 2**63


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search as a caller asks for it. What is empty narrows nothing, but for roles and statuses, whose usual values
    it stands for."""

    query: str
    conversation_key: str = ""
    roles: frozenset[Role] = frozenset()
    statuses: frozenset[MessageStatus] = frozenset()
    model: str = ""
    since: datetime | None = None
    until: datetime | None = None
    all_branches: bool = False
    order: SearchOrder = SearchOrder.NEWEST


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of hits, and whether there may be others among messages that are not indexed yet."""

    page: Page[MessageHit]
    is_partial: bool


class MessageSearches:
    """Searches in the messages of all conversations of a caller, made through whatever door."""

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self._is_whole = False

    async def find(self, owner: Owner, request: SearchRequest, *, page_size: int, page_token: str) -> Hits:
        """A page of hits in order. Raises `SearchQueryEmpty`, `InvalidField`, `InvalidPageToken` also for the token of
        another search or owner, `ConversationNotFound`."""
        query = read_query(request.query)
        if request.since and request.until and request.since > request.until:
            raise InvalidField([FieldViolation("until", "must not be before since")])
        size, mark = page_size or DEFAULT_PAGE, _mark(owner, request)
        after = _position(mark, page_token)

        async def unit(tx: Transaction) -> list[MessageHit]:
            conversation = await find(tx, request.conversation_key) if request.conversation_key else None
            search = MessageSearch(
                query=query,
                roles=request.roles or USUAL_ROLES,
                statuses=request.statuses or IN_HISTORY,
                model=request.model or None,
                conversation_id=conversation.id if conversation else None,
                since=request.since,
                until=request.until,
                all_branches=request.all_branches,
                order=request.order,
            )
            return await tx.message_index.find(search, limit=size + 1, after=after)

        # Before the search: what becomes whole in between is not missed.
        is_partial = await self._lacks_messages()
        found = await self._store.read(owner, unit)
        return Hits(cut(found, size, lambda hit: _token(mark, hit.position)), is_partial)

    async def _lacks_messages(self) -> bool:
        if not self._is_whole:
            self._is_whole = await self._store.read_system(lambda tx: tx.index_is_whole())
        return not self._is_whole


def _mark(owner: Owner, request: SearchRequest) -> str:
    """What tells a search of an owner from every other."""
    narrowed = (sorted(request.roles), sorted(request.statuses), request.model, request.since, request.until)
    told = (owner, request.query, request.conversation_key, *narrowed, request.all_branches, request.order)
    return blake2b(repr(told).encode(errors="backslashreplace"), digest_size=12).hexdigest()


def _token(mark: str, position: HitPosition) -> str:
    return parts_token(_KIND, mark, position.score, position.number, position.message_id, position.floor)


def _position(mark: str, token: str) -> HitPosition | None:
    if not token:
        return None
    found, score, number, message_id, floor = parts_position(_KIND, token, 5)
    if found != mark or type(message_id) is not str or not (message_id.isascii() and message_id.isprintable()):
        raise InvalidPageToken
    return HitPosition(_number(score), _number(number), MessageId(message_id), _number(floor))


def _number(part: object) -> int:
    if type(part) is not int or not 0 <= part < _MOST:
        raise InvalidPageToken
    return part
