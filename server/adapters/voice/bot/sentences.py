"""Cuts an answer, while it comes, into what is spoken at a time."""

from typing import Final

from pipecat.utils.text.simple_text_aggregator import SimpleTextAggregator

_MOST_CHARACTERS: Final = 600
"""Of what is spoken at a time: services refuse texts that are much longer, and nothing is heard before its synthesis
has begun."""


class Sentences:
    """Pieces in, sentences out: pipecat's tokenizer finds their ends, and what has none is cut between words."""

    def __init__(self, *, language: str) -> None:
        """`language`: ISO 639-1."""
        self._tokenizer = SimpleTextAggregator(language=language)

    async def add(self, text: str) -> list[str]:
        """The sentences that `text` completes."""
        found = []
        # In small steps, for what has no end yet must not get much longer than the bound.
        for begin in range(0, len(text), _MOST_CHARACTERS):
            step = text[begin : begin + _MOST_CHARACTERS]
            found += [each.text async for each in self._tokenizer.aggregate(step)]
            if len(self._tokenizer.text.text) > _MOST_CHARACTERS:
                *cut, rest = _cut(await self._rest())
                found += cut
                # What ends no sentence here ended none before.
                found += [each.text async for each in self._tokenizer.aggregate(rest)]
        return _speakable(found)

    async def end(self) -> list[str]:
        """What is left, for no more comes."""
        return _speakable([await self._rest()])

    async def reset(self) -> None:
        """Forget what is left."""
        await self._tokenizer.reset()

    async def _rest(self) -> str:
        rest = await self._tokenizer.flush()
        return "" if rest is None else str(rest.text)


def _cut(text: str) -> list[str]:
    """`text` in parts of bounded length, between words where there are words."""
    parts = []
    while len(text) > _MOST_CHARACTERS:
        space = text.rfind(" ", 1, _MOST_CHARACTERS)
        end = _MOST_CHARACTERS if space < 0 else space
        parts.append(text[:end])
        text = text[end:]
    return [*parts, text]


def _speakable(sentences: list[str]) -> list[str]:
    return [part for sentence in sentences for part in _cut(sentence) if part.strip()]
