"""Puts the statements of searches in messages together, for each database the way that its index is asked.

Relevance is what BM25 makes of a term that every hit has, without its weights that depend on other messages: as often
as the term occurs, but each time less, and less in a long message than in a short one. In whole numbers, so that it is
the same wherever it is computed.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.dialects import SQLITE
from server.adapters.store.message_shape import STATUSES, Shape
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Owned, owned
from server.domain.message_search import SearchOrder

_message = tables.messages.c
_words = tables.message_words.c
_fts5 = table("message_index", column("rowid", BigInteger))
_vectors = table("message_index", column("message_id", STRING), column("vector"))
_ZERO: Final[ColumnElement[int]] = literal_column("0", BigInteger)


def matched(shape: Shape) -> Owned:
    """Numbers, scores and ids of hits, in order, behind a position."""
    hits = _hits_of_fts5(shape) if shape.dialect == SQLITE.name else _hits_of_tsvector(shape)
    narrowed = hits.where(*_filters(), *_phrases(shape))
    if shape.order is SearchOrder.RELEVANCE:
        return _by_relevance(narrowed)
    number = _number(shape)
    behind = tuple_(number, _words.message_id) < tuple_(_bound("after_number"), _named("after_id"))
    # SQLite's index gives them in this order, and no two have the same number there.
    order = (_fts5.c.rowid.desc(),) if shape.dialect == SQLITE.name else (number.desc(), _words.message_id.desc())
    return owned(narrowed.where(behind).order_by(*order).limit(LIMIT), tables.messages)


def least_ranked(dialect: str) -> Owned:
    """The number of the last of the newest hits that are ranked: the parameters of a search, and `beyond`, which is how
    many come before it. No row when there are not so many."""
    hits = _indexed_by_fts5() if dialect == SQLITE.name else _indexed_by_tsvector(_words.number + _ZERO)
    order = _fts5.c.rowid.desc() if dialect == SQLITE.name else (_words.number + _ZERO).desc()
    return owned(hits.order_by(order).limit(literal_column("1")).offset(_bound("beyond")), tables.message_words)


def _number(shape: Shape) -> ColumnElement[int]:
    """Of PostgreSQL an expression is asked: it would walk the numbers of all owners otherwise, in the hope of a hit."""
    return _words.number if shape.dialect == SQLITE.name else _words.number + _ZERO


def _hits_of_fts5(shape: Shape) -> Select[Any]:
    scored = _indexed_by_fts5().add_columns(_score(shape).label("score"), _words.message_id)
    return scored.join(tables.messages, _message.id == _words.message_id)


def _indexed_by_fts5() -> Select[Any]:
    number = _fts5.c.rowid
    return (
        select(_words.number)
        .select_from(_fts5)
        .join(tables.message_words, _words.number == number)
        .where(literal_column("message_index").op("MATCH")(_named("match")))
        .where(number >= _bound("first"), number <= _bound("last"))
    )


def _hits_of_tsvector(shape: Shape) -> Select[Any]:
    scored = _indexed_by_tsvector(_number(shape)).add_columns(_score(shape).label("score"), _words.message_id)
    return scored.join(tables.messages, _message.id == _words.message_id)


def _indexed_by_tsvector(number: ColumnElement[int]) -> Select[Any]:
    return (
        select(_words.number)
        .select_from(_vectors)
        .join(tables.message_words, _words.message_id == _vectors.c.message_id)
        .where(_vectors.c.vector.op("@@")(cast(_named("match"), TSQUERY)))
        .where(number >= _bound("first"), number <= _bound("last"))
    )


def _by_relevance(narrowed: Select[Any]) -> Owned:
    scored = owned(narrowed, tables.messages).core
    hits = scored.subquery("hits")  # type: ignore[union-attr]  # it is the query that it was
    behind = tuple_(hits.c.score, hits.c.number, hits.c.message_id) < tuple_(
        _bound("after_score"), _bound("after_number"), _named("after_id")
    )
    ordered = hits.c.score.desc(), hits.c.number.desc(), hits.c.message_id.desc()
    return Owned(select(hits.c.number, hits.c.score, hits.c.message_id).where(behind).order_by(*ordered).limit(LIMIT))


def _filters() -> list[ColumnElement[bool]]:
    model, conversation = _named("wanted_model"), _named("wanted_conversation")
    return [
        _message.created_at >= _bound("since"),
        _message.created_at < _bound("until"),
        or_(model == "", _message.model == model),
        or_(conversation == "", _message.conversation_id == conversation),
        _message.status.in_([_named(f"status_{number}") for number in range(STATUSES)]),
        or_(bindparam("all_branches", type_=Integer) == 1, _message.branch.is_(None)),
    ]


def _phrases(shape: Shape) -> list[ColumnElement[bool]]:
    position = func.instr if shape.dialect == SQLITE.name else func.strpos
    wanted = [position(_words.words, _named(f"phrase_{number}")) > _ZERO for number in range(shape.phrases)]
    return [
        *wanted,
        *(position(_words.words, _named(f"excluded_{n}")) == _ZERO for n in range(shape.excluded_phrases)),
    ]


def _score(shape: Shape) -> ColumnElement[int]:
    scores = [_score_of(_named(f"counted_{number}")) for number in range(shape.wanted)]
    return cast(sum(scores[1:], scores[0]) if scores else _ZERO, BigInteger)


def _score_of(needle: BindParameter[str]) -> ColumnElement[int]:
    """10^6 · tf · (k + 1) / (tf + k · (1 - b + b · length / average)) with k = 1.2, b = 0.75 and texts of 600
    characters on average."""
    length = cast(func.length(_words.words), BigInteger)
    left = cast(func.length(func.replace(_words.words, needle, literal_column("''"))), BigInteger)
    times = (length - left) // cast(func.length(needle), BigInteger)
    return _whole(22_000_000_000) * times // (_whole(10_000) * times + _whole(3000) + _whole(15) * length)


def _whole(number: int) -> ColumnElement[int]:
    return literal_column(str(number), BigInteger)


def _bound(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _named(name: str) -> BindParameter[str]:
    return bindparam(name, type_=STRING)
