"""Knows secrets and content when it sees them where they must not be, and remembers where that was."""

import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from tests.support.canaries.marks import MARK

# Whole keys and tokens are secrets wherever they come from; publishable keys are none.
_SECRET: Final = re.compile(
    rf"{MARK}-(?P<kind>[\w-]*?)-[0-9a-f]{{16}}|{MARK}"
    r"|(?P<key>sk_(?:live|test)_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}|ayeto-[0-9a-f]{64})"
    r"|(?P<token>eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"
)
_SHORTEST_CONTENT: Final = 12
"""What is shorter may be in a log by chance."""
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret or content where it must not be; `text` is around it, itself left out."""

    channel: str
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.what} in {self.channel}: {self.text}"


class Watch:
    """What was said in one process, from one report to the next. The last texts and contents are remembered, so that
    memory is bounded and what is logged late is known all the same."""

    def __init__(self) -> None:
        self._leaks: list[Leak] = []
        self._texts: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._contents: deque[str] = deque(maxlen=_REMEMBERED)
        self._former: list[str] = []

    def saw(self, channel: str, text: str) -> None:
        """A text that the service has put somewhere."""
        found = _SECRET.search(text)
        if found is not None:
            what = found["kind"] or ("an API key" if found["key"] else "a token" if found["token"] else "a canary")
            self._leaks.append(Leak(channel, what, _around(text, *found.span())))
        self._texts.append((channel, text))

    def wrote(self, content: str | None) -> None:
        """Somebody wrote something that belongs into a conversation, and nowhere else."""
        if content is not None and len(content) >= _SHORTEST_CONTENT:
            self._contents.append(content)

    def leaks(self) -> list[Leak]:
        """What was seen since the last time."""
        contents = {*self._contents, *self._former}
        for channel, text in self._texts:
            for content in contents:
                place = text.find(content)
                if place >= 0:
                    self._leaks.append(Leak(channel, "content", _around(text, place, place + len(content))))
        leaks, self._leaks = self._leaks, []
        self._former = list(self._contents)[-64:]
        self._texts.clear()
        self._contents.clear()
        return leaks


def _around(text: str, start: int, end: int) -> str:
    before, after = text[max(0, start - 100) : start], text[end : end + 40]
    return f"{before}[…]{after}".replace("\n", "\\n")
