"""Collects from the deltas of an answer what its provider wants to see again. No I/O.

Whatever is in a form that nobody knows is passed over: no answer fails for want of what is only sent back.
"""

from collections.abc import Mapping
from typing import Any, Final

from server.adapters.provider.provider_parts import MAX_PARTS_BYTES, MESSAGE_FIELDS, REASONING, json_size

_TEXTS: Final = ("text", "summary", "thinking")
"""Members of a block that come in pieces."""
_WHOLE: Final = frozenset({"reasoning.encrypted", "redacted_thinking"})
"""Blocks that come whole."""
_MOST_VENDORS: Final = 8
_MOST_OPEN: Final = 16
"""How many blocks back a piece may continue one."""


class PartsCollection:
    """The parts of one answer's message while they come in; those of its calls come with them."""

    def __init__(self) -> None:
        self._blocks: dict[str, list[dict[str, Any]]] = {}
        self._blocks_size = 0
        self._signed: dict[str, Any] = {}
        self._reasoning: list[str] = []
        self._reasoning_size = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come."""
        return not (self._blocks_size or self._signed or self._reasoning)

    def add(self, delta: Mapping[str, Any]) -> None:
        """Look at what a delta, or a whole message, holds besides text and calls."""
        for name in MESSAGE_FIELDS.intersection(delta):
            value = delta[name]
            if isinstance(value, list):
                for block in value:
                    self._add_block(name, block)
            elif isinstance(value, dict):
                self._sign(value)

    def think(self, text: str) -> None:
        """Take a piece of reasoning that is wanted back as it came; what is too much of it is left out."""
        if self._reasoning_size < MAX_PARTS_BYTES:
            self._reasoning.append(text)
            self._reasoning_size += len(text)

    def fields(self) -> dict[str, Any]:
        """Everything, by the name of its member."""
        return {**self._blocks, "extra_content": self._signed, REASONING: "".join(self._reasoning)}

    def _add_block(self, name: str, piece: Any) -> None:
        """A block, or a piece of one: pieces bear the same index, or none and follow each other up to a signature.

        A block that is not whole is worth nothing, and some without the others get a request refused: when they are too
        many, none is kept.
        """
        if not isinstance(piece, dict) or self._blocks_size > MAX_PARTS_BYTES:
            return
        blocks = self._blocks.setdefault(name, [])
        block = _continued(blocks, piece)
        if block is None:
            self._blocks_size += json_size(piece)
            blocks.append(dict(piece))
        else:
            self._blocks_size += _extend(block, piece)
        if self._blocks_size > MAX_PARTS_BYTES:
            self._blocks.clear()

    def _sign(self, content: Mapping[str, Any]) -> None:
        """Keep the last signature of each vendor; what else it says of a delta is not true of the whole message."""
        for vendor, members in content.items():
            signature = members.get("thought_signature") if isinstance(members, dict) else None
            if isinstance(signature, str) and len(signature) <= MAX_PARTS_BYTES and len(self._signed) < _MOST_VENDORS:
                self._signed[vendor] = {"thought_signature": signature}


def _continued(blocks: list[dict[str, Any]], piece: Mapping[str, Any]) -> dict[str, Any] | None:
    """The block that a piece continues, if any."""
    kind, index = piece.get("type"), piece.get("index")
    if not isinstance(kind, str) or kind in _WHOLE:
        return None
    open_ones = reversed(blocks[-_MOST_OPEN:])
    last = next((block for block in open_ones if (block.get("type"), block.get("index")) == (kind, index)), None)
    return None if last is not None and index is None and last.get("signature") else last


def _extend(block: dict[str, Any], piece: Mapping[str, Any]) -> int:
    """Put a piece to its block; about how many characters longer that is."""
    longer = 0
    for member, value in piece.items():
        before = block.get(member)
        if member in _TEXTS and isinstance(before, str) and isinstance(value, str):
            block[member] = before + value
            longer += len(value)
        elif value is not None and value != before:
            block[member] = value
            longer += json_size(value)
    return longer
