"""What of a search in messages decides its statement, and the parameters that go with it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from server.adapters.store.dialects import SQLITE
from server.adapters.store.message_words import (
    NUMBERS,
    conversation_mark,
    model_mark,
    number_at,
    role_mark,
    scope_of,
)
from server.adapters.store.times import micros
from server.domain.message import MessageStatus
from server.domain.message_query import Term
from server.domain.message_search import HitPosition, MessageSearch, SearchOrder
from server.domain.principal import Owner

STATUSES: Final = len(MessageStatus)
_EVER: Final = 2**62
_LAST: Final = 2**63 - 1
_BEHIND_ALL: Final = "\U0010ffff"


class Shape(NamedTuple):
    """Terms of more than one word need a look at the words themselves; by relevance every term is counted."""

    dialect: str
    order: SearchOrder
    wanted: int
    phrases: int
    excluded_phrases: int


def shape_of(search: MessageSearch, dialect: str) -> Shape:
    """The shape of a search on a database."""
    by_relevance = search.order is SearchOrder.RELEVANCE
    return Shape(
        dialect=dialect,
        order=search.order,
        wanted=len(search.query.wanted) if by_relevance else 0,
        phrases=len(_phrases(search.query.wanted)),
        excluded_phrases=len(_phrases(search.query.excluded)),
    )


def parameters_of(owner: Owner, search: MessageSearch, dialect: str, after: HitPosition | None) -> dict[str, Any]:
    """The parameters of a search's statement, but for the limit."""
    match = _fts5(owner, search) if dialect == SQLITE.name else _tsquery(owner, search)
    statuses = sorted(search.statuses or MessageStatus)
    position = after or HitPosition(_LAST, _LAST, _BEHIND_ALL)  # type: ignore[arg-type]  # behind every id there is
    newest = position.number if search.order is SearchOrder.NEWEST else _LAST
    return {
        "match": match,
        "since": micros(search.since) if search.since else -_EVER,
        "until": micros(search.until) if search.until else _EVER,
        "first": max(number_at(search.since) if search.since else 0, position.floor),
        "last": min(newest, number_at(search.until) + NUMBERS - 1 if search.until else _LAST),
        "wanted_model": search.model or "",
        "wanted_conversation": search.conversation_id or "",
        "all_branches": int(search.all_branches),
        **{f"status_{n}": statuses[min(n, len(statuses) - 1)].value for n in range(STATUSES)},
        "after_score": position.score,
        "after_number": position.number,
        "after_id": position.message_id,
        **{f"counted_{n}": _needle(term) for n, term in enumerate(search.query.wanted)},
        **{f"phrase_{n}": _needle(term) for n, term in enumerate(_phrases(search.query.wanted))},
        **{f"excluded_{n}": _needle(term) for n, term in enumerate(_phrases(search.query.excluded))},
    }


def _phrases(terms: Sequence[Term]) -> list[Term]:
    return [term for term in terms if len(term.words) > 1]


def _needle(term: Term) -> str:
    """The term as it stands among the words of a message."""
    return f" {' '.join(term.words)}{'' if term.is_prefix else ' '}"


class _Syntax(NamedTuple):
    """How a database writes what its index is asked. Words and marks are letters, digits and marks of letters; nothing
    in them means anything within quotes."""

    quote: str
    both: str
    either: str
    prefix: str


_FTS5: Final = _Syntax('"', " AND ", " OR ", "*")
_TSQUERY: Final = _Syntax("'", " & ", " | ", ":*")


def _fts5(owner: Owner, search: MessageSearch) -> str:
    wanted, excluded = _parts(owner, search, _FTS5)
    return f"({wanted}) NOT ({excluded})" if excluded else wanted


def _tsquery(owner: Owner, search: MessageSearch) -> str:
    wanted, excluded = _parts(owner, search, _TSQUERY)
    return f"({wanted}) & !({excluded})" if excluded else wanted


def _parts(owner: Owner, search: MessageSearch, syntax: _Syntax) -> tuple[str, str]:
    scope = scope_of(owner)

    def quoted(text: str) -> str:
        return f"{syntax.quote}{scope}{text}{syntax.quote}"

    def asked(term: Term) -> list[str]:
        *before, last = term.words
        ending = f"{quoted(f'w{last}')}{syntax.prefix}" if term.is_prefix else quoted(f"w{last}")
        return [*(quoted(f"w{word}") for word in before), ending]

    words = dict.fromkeys(part for term in search.query.wanted for part in asked(term))
    roles = syntax.either.join(quoted(role_mark(role)) for role in sorted(search.roles))
    marks = [f"({roles})"] if roles else []
    if search.conversation_id:
        marks.append(quoted(conversation_mark(search.conversation_id)))
    if search.model:
        marks.append(quoted(model_mark(search.model)))
    excluded = [part for term in search.query.excluded if len(term.words) == 1 for part in asked(term)]
    return syntax.both.join([*words, *marks]), syntax.either.join(excluded)
