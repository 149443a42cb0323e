"""Holds what people say, and what models answer, against the operator's rules. Fails closed."""

import asyncio
from typing import Final

import structlog

from server.domain.guardrail_errors import ContentRefused, GuardrailUnavailable
from server.ports.figures import Figures, NoFigures, Spoken
from server.ports.guardrails import Guardrails, Rule, TextFilter

_log = structlog.get_logger(__name__)

# Beyond this a text is judged on another thread: it takes longer than other calls should wait.
_QUICK_CHARACTERS: Final = 32 * 1024
_UNAVAILABLE: Final = "unavailable"


class Guard:
    """The rules of a service, or none. Which rule refused what is for operators: it is logged and counted, without the
    text, and no caller is told."""

    def __init__(
        self, rules: Guardrails | None = None, *, message: str | None = None, figures: Figures | None = None
    ) -> None:
        """`message` is what callers are told instead of the service's own sentences."""
        self._rules = rules
        self._message = message
        self._figures = figures or NoFigures()

    @property
    def is_open(self) -> bool:
        """Whether there are no rules."""
        return self._rules is None

    @property
    def figures(self) -> Figures:
        """Where it counts."""
        return self._figures

    @property
    def version(self) -> str:
        """Changes with the rules; empty without any."""
        return self._rules.version if self._rules else ""

    @property
    def answer_message(self) -> str:
        """What callers are told of an answer that was refused."""
        return self._message or "the answer was withheld: it holds what the operator of this service does not allow"

    async def check(self, *texts: str, spoken: Spoken = Spoken.MESSAGE) -> None:
        """Let texts pass, of a caller unless `spoken` says otherwise, before anything of them is stored or sent. Raises
        `ContentRefused`, and `GuardrailUnavailable` when they cannot be judged."""
        if self._rules is None:
            return
        for text in texts:
            if await self._broken_by(self._rules, text, spoken):
                raise ContentRefused(self._message)

    async def allows(self, text: str) -> bool:
        """Whether a text that a model wrote may be shown; one that cannot be judged may not."""
        try:
            return self._rules is None or not await self._broken_by(self._rules, text, Spoken.ANSWER)
        except GuardrailUnavailable:
            return False

    def filter(self) -> TextFilter:
        """A filter for an answer; only with rules."""
        if self._rules is None:
            raise ValueError("an open guard filters nothing")
        return self._rules.filter()

    def count_refused(self, spoken: Spoken, rule: Rule) -> None:
        """Tell operators that a rule was broken."""
        self._figures.refused(spoken, rule.kind)
        _log.warning("content_refused", spoken=spoken.value, rule=rule.place)

    def count_failed(self, spoken: Spoken, error: Exception) -> None:
        """Tell operators that a text could not be judged: the kind of the error alone, whose text may hold content."""
        self._figures.refused(spoken, _UNAVAILABLE)
        _log.error("guardrail_failed", spoken=spoken.value, error=type(error).__name__)

    async def _broken_by(self, rules: Guardrails, text: str, spoken: Spoken = Spoken.MESSAGE) -> bool:
        try:
            is_quick = len(text) <= _QUICK_CHARACTERS
            rule = rules.broken_by(text) if is_quick else await asyncio.to_thread(rules.broken_by, text)
        except Exception as error:  # noqa: BLE001 - whatever it is, the text is not judged and must not pass
            self.count_failed(spoken, error)
            raise GuardrailUnavailable from None
        if rule is not None:
            self.count_refused(spoken, rule)
        return rule is not None


OPEN: Final = Guard()
"""Refuses nothing."""
