"""The response cache: the same question of an owner is answered as it was, and asked of the model once at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

import structlog

from server.domain.cached_answer import CachedAnswer
from server.domain.errors import StoreUnavailable
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.domain.run import Run
from server.engine.answer import Answer
from server.engine.delta_log import hold
from server.failpoint import failpoint
from server.ports.figures import Figures
from server.ports.provider import Piece, ReasoningPiece, TextPiece
from server.ports.store import Store, Transaction
from server.ports.system import Clock

_log = structlog.get_logger(__name__)
_PIECE_CHARACTERS = 64

Pieces = AsyncGenerator[Piece, None]


class ResponseCache:
    """Stands before the model. Whoever asks first leads; others with the same question in this process wait, and are
    served from what the leader stored. When it stored nothing, one of them leads next; when its answer cannot be
    stored, each asks for itself. Nobody waits longer than a run may take: the wait is part of the run."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, figures: Figures) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._figures = figures
        self._led: dict[tuple[Owner, str], asyncio.Future[bool]] = {}

    async def stream(self, run: Run, key: str, answer: Answer, ask: Callable[[], Pieces]) -> Pieces:
        """The pieces of a stored answer, or those of `ask`, which are stored once they are whole. `answer` learns
        where they come from. Raises `RunLost`: what is said in a conversation that is gone is not kept."""
        lead = (run.owner, key)
        while (leader := self._led.get(lead)) is not None:
            failpoint("cache.waiting")
            await asyncio.wait({leader})
            if not leader.result():
                async with aclosing(ask()) as pieces:
                    async for piece in pieces:
                        yield piece
                return
        done = self._led[lead] = asyncio.get_running_loop().create_future()
        found, may_be_stored = None, True
        try:
            # Only who leads looks: what an earlier leader stored is there by then.
            found = await self._find(run.owner, key)
            if found is None:
                failpoint("cache.leading")
                self._figures.cached(is_hit=False)
                said = Answer(message_id=answer.message_id, model=run.model)
                async with aclosing(ask()) as pieces:
                    async for piece in pieces:
                        said.add(piece)
                        yield piece
                may_be_stored = self._is_storable(said)
                if may_be_stored:
                    await self._put(run, key, CachedAnswer(said.text, said.reasoning))
        finally:
            del self._led[lead]
            done.set_result(may_be_stored)
        if found is not None:
            self._figures.cached(is_hit=True)
            _log.info("answered_from_cache", run=run.id)
            answer.is_cached = True
            for piece in _pieces(found):
                yield piece

    def _is_storable(self, said: Answer) -> bool:
        """Whether an answer says something, all that the model had to say and nothing but text, and is small
        enough."""
        is_whole = bool(said.text) and not said.calls and not said.is_cut_short
        return is_whole and said.size <= self._limits.cache_answer_bytes

    async def _find(self, owner: Owner, key: str) -> CachedAnswer | None:
        now = self._clock.now()
        return await self._store.read(owner, lambda tx: tx.cached_answers.find(key, now=now))

    async def _put(self, run: Run, key: str, answer: CachedAnswer) -> None:
        now = self._clock.now()
        expires_at = now + self._limits.cache_lifetime

        async def unit(tx: Transaction) -> None:
            await hold(tx, run)
            await tx.cached_answers.put(key, answer, given_in=run.conversation_id, now=now, expires_at=expires_at)
            failpoint("cache.storing")

        try:
            await self._store.write(run.owner, unit)
            failpoint("cache.stored")
        except StoreUnavailable as unavailable:
            _log.warning("answer_not_cached", cause=unavailable.message)


def _pieces(found: CachedAnswer) -> Iterator[Piece]:
    """A stored answer in pieces like a fresh one's."""
    for start in range(0, len(found.reasoning), _PIECE_CHARACTERS):
        yield ReasoningPiece(found.reasoning[start : start + _PIECE_CHARACTERS])
    for start in range(0, len(found.text), _PIECE_CHARACTERS):
        yield TextPiece(found.text[start : start + _PIECE_CHARACTERS])
