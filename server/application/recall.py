"""What the model of a run is shown of the user's memories."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import structlog

from server.application.memory_search import MemorySearch
from server.application.metering import Bill
from server.application.model_context import ModelContext
from server.domain.errors import StoreUnavailable
from server.domain.ids import RunId
from server.domain.memory import shown_to_model
from server.domain.memory_errors import EmbedderUnavailable
from server.domain.message import Role
from server.domain.run import Run

_log = structlog.get_logger(__name__)

_LEAST_SCORE: Final = 0.15
"""What fits worse would only distract."""
_MOST_CHARACTERS: Final = 8000
_SHARE_OF_ROOM: Final = 8
"""Memories take at most this part of the model's context, …"""
_CHARACTERS_OF_TOKEN: Final = 3
"""… a token being about so many characters."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the model of a run is shown for a question, which a digest tells from others."""

    question: bytes
    memories: str | None


class Recall:
    """Adds memories to the contexts of runs. A run that asks its model again is shown the same until `forget`: tool
    rounds neither search anew nor see another system message."""

    def __init__(self, search: MemorySearch) -> None:
        self._search = search
        self._shown: dict[RunId, _Shown] = {}

    async def recalled(self, run: Run, context: ModelContext, bill: Bill) -> ModelContext:
        """The context with the memories that fit its question, if the conversation wants them shown. Without them when
        they cannot be found: an answer is worth more."""
        settings = context.conversation.settings.memory
        question = next((each.content for each in reversed(context.history) if each.role is Role.USER), "")
        if not settings.inject or not question.strip() or run.options.image:
            return context
        digest = sha256(question.encode(errors="replace")).digest()
        shown = self._shown.get(run.id)
        if shown is None or shown.question != digest:
            try:
                shown = self._shown[run.id] = _Shown(digest, await self._found(run, context, question, bill))
            except (EmbedderUnavailable, StoreUnavailable) as error:
                _log.warning("memories_not_recalled", run=run.id, reason=error.reason)
                return context
        if shown.memories is None:
            return context
        texts = [context.system_prompt] if context.system_prompt else []
        return replace(context, system_prompt="\n\n".join([*texts, shown.memories]))

    def forget(self, run_id: RunId) -> None:
        """Learn that this process does not work on a run any more."""
        self._shown.pop(run_id, None)

    async def _found(self, run: Run, context: ModelContext, question: str, bill: Bill) -> str | None:
        most_found = context.conversation.settings.memory.most
        found = await self._search.find(run.owner, question, limit=most_found, bill=bill)
        room = context.bounds.tokens
        most = _MOST_CHARACTERS if room is None else room // _SHARE_OF_ROOM * _CHARACTERS_OF_TOKEN
        fitting = [each.memory.text for each in found if each.score >= _LEAST_SCORE]
        return shown_to_model(fitting, most_characters=min(most, _MOST_CHARACTERS))
