"""A history as text, for a model that is to summarise it, and its first words, for where there is no model. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from server.domain.context import shown
from server.domain.enclosure import mention
from server.domain.message import Message, Role
from server.domain.tokens import TokenEstimator

_SPEAKERS: Final = {
    Role.USER: "User",
    Role.ASSISTANT: "Assistant",
    Role.SYSTEM: "System",
    Role.TOOL: "Tool result",
}
# The middle of a long result says little that its beginning and end do not.
_RESULT_CHARACTERS: Final = 4000
_FIRST_WORDS: Final = 12
_DIGEST_LINES: Final = 40
_ELLIPSIS: Final = "…"
_JOINT: Final = "\n\n"
_JOINT_TOKENS: Final = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is summarised at once."""

    text: str
    whole: int
    """How many of the texts are wholly in this chunk and those before it."""


def entry(messages: Iterable[Message]) -> str:
    """What messages that belong together say, and who."""
    return _JOINT.join(filter(None, map(_entry, messages)))


def chunks(texts: Sequence[str], most_tokens: int, estimator: TokenEstimator) -> list[Chunk]:
    """The texts joined, in order, into as few chunks as come of filling each; one that fits into none is cut in
    pieces. `most_tokens` is at least 1."""
    found: list[Chunk] = []
    parts: list[str] = []
    spent = whole = 0
    for number, text in enumerate(texts):
        for piece in _pieces(text, most_tokens, estimator):
            cost = estimator.text(piece) + _JOINT_TOKENS
            if parts and spent + cost > most_tokens:
                found.append(Chunk(_JOINT.join(parts), whole))
                parts, spent = [], 0
            parts.append(piece)
            spent += cost
        whole = number + 1
    return [*found, Chunk(_JOINT.join(parts), whole)] if parts else found


def digest(previous: str | None, texts: Iterable[str]) -> str:
    """The first words of each text behind what was summarised before: a summary that no model has to make."""
    lines = previous.splitlines() if previous else []
    lines += [f"- {_first_words(text)}" for text in texts]
    return "\n".join(lines[-_DIGEST_LINES:])


def _entry(message: Message) -> str:
    said = shown(message).content
    if message.role is Role.TOOL and len(said) > _RESULT_CHARACTERS:
        said = f"{said[: _RESULT_CHARACTERS // 2]}\n{_ELLIPSIS}\n{said[-_RESULT_CHARACTERS // 2 :]}"
    calls = [f"[asks for {call.name} with {call.arguments}]" for call in message.tool_calls]
    files = [f"[attached: {mention(attachment)}]" for attachment in message.attachments]
    text = "\n".join(filter(None, [said, *files, *calls]))
    return f"{_SPEAKERS[message.role]}: {text}" if text else ""


def _pieces(text: str, most_tokens: int, estimator: TokenEstimator) -> list[str]:
    """The text in pieces that each fit: halved until they do."""
    if len(text) <= 1 or estimator.text(text) + _JOINT_TOKENS <= most_tokens:
        return [text]
    half = len(text) // 2
    return _pieces(text[:half], most_tokens, estimator) + _pieces(text[half:], most_tokens, estimator)


def _first_words(text: str) -> str:
    words = text.split()
    begun = " ".join(words[:_FIRST_WORDS])
    return begun if len(words) <= _FIRST_WORDS else f"{begun}{_ELLIPSIS}"
