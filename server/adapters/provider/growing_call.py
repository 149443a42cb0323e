"""One tool call while its pieces come in."""

from typing import Any, Final

import orjson

# No server's tool has a longer name; pieces beyond it are repetitions.
_LONGEST_JOINED: Final = 256
# Beyond it a text is not parsed again and again to see whether it is whole.
_LONGEST_PARSED: Final = 64 * 1024


class GrowingCall:
    """Id, name and arguments of a call, put together from whatever comes of them.

    A name comes whole, in pieces, or whole again with every piece of the arguments. What was meant shows in the end,
    by the names of the tools that were offered. A call that was said is not said again: the same name and arguments
    once more are a repetition.
    """

    def __init__(self, index: int) -> None:
        """Begin without anything; `index` is the provider's own number."""
        self.index = index
        self.id = ""
        self.fields: dict[str, Any] = {}
        """What the provider wants to see again with it."""
        self.is_named = False
        """Whether any of its name has come."""
        self._name = ""
        self._joined = ""
        self._last = ""
        self._arguments: list[str] = []
        self._size = 0

    @property
    def is_blank(self) -> bool:
        """Whether nothing of it has come but its number."""
        return not (self.id or self.is_named or self._arguments)

    def name_more(self, piece: str) -> int:
        """Take a piece of the name, or all of it once more; how many characters longer the call is for it."""
        if len(self._joined) < _LONGEST_JOINED:
            self._joined += piece
        self._last = piece
        self.is_named = True
        if piece == self._name:
            return 0
        self._name += piece
        return len(piece)

    def argue_more(self, piece: str) -> int:
        """Take a piece of the arguments, or all of them once more; how many characters longer they are for it."""
        if self._repeats(piece):
            return 0
        self._arguments.append(piece)
        self._size += len(piece)
        return len(piece)

    def is_followed_by(self, call_id: str, name: str, arguments: str) -> bool:
        """Whether what comes under its number, or under none, is another call: some servers give all the same one.

        Only what has a name begins a call, and only where this one may be over: a provider that gives a new id to
        each piece of a call still sends its name once.
        """
        if not name or not self.is_named:
            return False
        if call_id and self.id and call_id != self.id:
            return not self._arguments or self._is_whole(if_long=True)
        if not arguments.strip() or not self._is_whole(if_long=False):
            return False
        return name != self._name or not self._repeats(arguments)

    def arguments(self) -> str:
        """The arguments so far, empty when none have come."""
        if len(self._arguments) > 1:
            self._arguments = ["".join(self._arguments)]
        return self._arguments[0] if self._arguments else ""

    def name(self, offered: frozenset[str]) -> str:
        """The name that its pieces make, one of the `offered` if any reading of them is."""
        readings = (self._name, self._joined, self._last)
        return next((name for name in readings if name in offered), self._name)

    def _is_whole(self, *, if_long: bool) -> bool:
        """Whether the arguments are a JSON object that nothing can be added to; `if_long`, when they only look so."""
        if not self._arguments or not self._arguments[-1].rstrip().endswith("}"):
            return False
        return if_long if self._size > _LONGEST_PARSED else is_object(self.arguments())

    def _repeats(self, piece: str) -> bool:
        # Nothing can follow a whole object, so this cannot be the next piece of one.
        return len(piece) == self._size and piece == self.arguments() and is_object(piece)


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict)
