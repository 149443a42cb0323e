"""Searches in messages of `parley.v1`."""

from collections.abc import Mapping
from typing import Final

from parley.v1 import search_pb2 as pb

from server.application.message_search import Hits, SearchRequest
from server.domain.message_search import MessageHit, SearchOrder
from server.rpc.codecs.message import ROLES, STATUSES
from server.rpc.codecs.timestamp import moment, stamp

ORDERS: Final[Mapping[SearchOrder, pb.SearchOrder.ValueType]] = {
    SearchOrder.NEWEST: pb.SEARCH_ORDER_NEWEST,
    SearchOrder.RELEVANCE: pb.SEARCH_ORDER_RELEVANCE,
}
_ORDERS_BY_NUMBER: Final = {number: order for order, number in ORDERS.items()}
_ROLES_BY_NUMBER: Final = {number: role for role, number in ROLES.items()}
_STATUSES_BY_NUMBER: Final = {number: status for status, number in STATUSES.items()}


def decode_search(request: pb.SearchMessagesRequest) -> SearchRequest:
    """What is looked for. Raises `InvalidField` for a moment that is none."""
    return SearchRequest(
        query=request.query,
        conversation_key=request.conversation_key,
        roles=frozenset(_ROLES_BY_NUMBER[role] for role in request.roles),
        statuses=frozenset(_STATUSES_BY_NUMBER[status] for status in request.statuses),
        model=request.model,
        since=moment("since", request.since) if request.HasField("since") else None,
        until=moment("until", request.until) if request.HasField("until") else None,
        all_branches=request.all_branches,
        order=_ORDERS_BY_NUMBER.get(request.order, SearchOrder.NEWEST),
    )


def encode_hits(hits: Hits) -> pb.SearchMessagesResponse:
    """A page of what was found."""
    encoded = pb.SearchMessagesResponse(next_page_token=hits.page.next_token, partial=hits.is_partial)
    for hit in hits.page.items:
        _write_hit(encoded.hits.add(), hit)
    return encoded


def _write_hit(into: pb.SearchHit, hit: MessageHit) -> None:
    into.message_id = hit.position.message_id
    into.conversation_key = hit.conversation_key
    into.role = ROLES[hit.role]
    into.status = STATUSES[hit.status]
    stamp(into.created_at, hit.created_at)
    if hit.model is not None:
        into.model = hit.model
    if hit.run_id is not None:
        into.run_id = hit.run_id
    if hit.branch is not None:
        into.branch = hit.branch
    snippet = into.snippet
    snippet.text = hit.excerpt.text
    snippet.begins_message = hit.excerpt.begins_text
    snippet.ends_message = hit.excerpt.ends_text
    for each in hit.excerpt.highlights:
        snippet.highlights.add(start=each.start, end=each.end)
