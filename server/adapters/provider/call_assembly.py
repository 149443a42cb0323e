"""Puts the tool calls of a streamed chat completion together, however a server slices them. No I/O.

The protocol sends each call in pieces: its index with every piece, id and name with the first, the arguments in slices.
Servers in use leave out indices or ids, give several calls the same index, send calls whole, repeat names, or send
arguments as an object. What is found is never judged here: names and arguments are as the model wrote them.
"""

from typing import Any, Final

import orjson

from server.adapters.provider.failures import Failures
from server.adapters.provider.growing_call import GrowingCall
from server.adapters.provider.provider_parts import CALL_FIELDS, MAX_PARTS_BYTES, json_size
from server.ports.provider import ProviderError, RequestedCall

MAX_CALLS: Final = 128
"""How many calls one answer may ask for."""
MAX_CALL_CHARACTERS: Final = 1024 * 1024
"""How long ids, names and arguments of all calls of an answer may be together."""
_LONGEST_ID: Final = 16 * 1024  # some servers hide a signature in it
_NUL: Final = "\x00"
_REPLACEMENT: Final = "\ufffd"


class CallAssembly:
    """The calls of one answer while they come in."""

    def __init__(self, *, failures: Failures) -> None:
        self._failures = failures
        self._calls: list[GrowingCall] = []
        self._by_index: dict[int, GrowingCall] = {}
        self._by_id: dict[str, GrowingCall] = {}
        self._size = 0

    @property
    def has_begun(self) -> bool:
        """Whether anything of a call has come."""
        return bool(self._calls)

    def add(self, items: Any) -> None:
        """Take the `tool_calls` of a delta. Raises `ProviderError`: for what is not the protocol, and for too much."""
        if not isinstance(items, list):
            raise self._malformed()
        for item in items:
            self._add(item)

    def add_whole(self, items: Any) -> None:
        """Take the `tool_calls` of a whole message, which may repeat what deltas have said. Raises as `add` does."""
        if self._calls:
            return
        if not isinstance(items, list):
            raise self._malformed()
        for index, item in enumerate(items):
            self._add({**item, "index": index} if isinstance(item, dict) else item)

    def calls(self, offered: frozenset[str], *, is_cut_short: bool) -> tuple[RequestedCall, ...]:
        """Every call, in the order of the indices, those of the same one as they came.

        No arguments at all are those of a call that needs none, unless the answer was cut before they came.
        """
        return tuple(
            RequestedCall(
                _sendable(call.id),
                call.name(offered),
                call.arguments() if is_cut_short or call.arguments().strip() else "{}",
            )
            for call in self._said()
        )

    def parts(self) -> list[dict[str, Any]]:
        """What the provider wants to see again with every call, in the same order: its `id` and its `fields`."""
        return [{"id": _sendable(call.id), "fields": call.fields} for call in self._said()]

    def _said(self) -> list[GrowingCall]:
        return sorted((call for call in self._calls if not call.is_blank), key=lambda call: call.index)

    def _add(self, item: Any) -> None:
        if not isinstance(item, dict):
            raise self._malformed()
        function = item.get("function")
        if function is None:
            function = {}
        if not isinstance(function, dict):
            raise self._malformed()
        call_id, name = self._text(item.get("id")), self._text(function.get("name"))
        arguments = self._arguments(function.get("arguments"))
        call = self._call(item.get("index"), call_id, name, arguments)
        if call_id and not call.id:
            call.id = call_id
            self._by_id[call_id] = call
            self._grow(len(call_id))
        for field in CALL_FIELDS:
            if (value := item.get(field)) and json_size(value) <= MAX_PARTS_BYTES:
                call.fields[field] = value
        if name:
            self._grow(call.name_more(name))
        if arguments:
            self._grow(call.argue_more(arguments))

    def _call(self, index: Any, call_id: str, name: str, arguments: str) -> GrowingCall:
        """The call that a piece belongs to, a new one if it is the first."""
        if index is None:
            call = self._unnumbered(call_id, name, arguments)
            index = self._calls[-1].index if self._calls else 0
        elif type(index) is int and index >= 0:
            call = self._by_index.get(index)
        else:
            raise self._malformed()
        if call is None or call.is_followed_by(call_id, name, arguments):
            call = self._begin(index)
        return call

    def _unnumbered(self, call_id: str, name: str, arguments: str) -> GrowingCall | None:
        """The call that a piece without an index continues, if any."""
        if call_id and call_id in self._by_id:
            return self._by_id[call_id]
        last = self._calls[-1] if self._calls else None
        # A new id begins a call, unless the last one has waited for its own, or the piece says nothing but arguments.
        begins = call_id and last is not None and last.id and (name or not arguments)
        return None if begins else last

    def _begin(self, index: int) -> GrowingCall:
        if len(self._calls) == MAX_CALLS:
            raise self._failures.too_long(f"asks for more than {MAX_CALLS} tools at once")
        call = GrowingCall(index)
        self._calls.append(call)
        self._by_index[index] = call
        return call

    def _grow(self, characters: int) -> None:
        self._size += characters
        if self._size > MAX_CALL_CHARACTERS:
            raise self._failures.too_long(f"asks for tools in more than {MAX_CALL_CHARACTERS} characters")

    def _text(self, value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._malformed()
        return value.replace(_NUL, _REPLACEMENT) if _NUL in value else value

    def _arguments(self, value: Any) -> str:
        """A piece of the arguments; some servers send them as the object itself."""
        if not isinstance(value, dict):
            return self._text(value)
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # nested more deeply than can be written
            raise self._malformed() from None

    def _malformed(self) -> ProviderError:
        return self._failures.malformed("tool calls that are not those of a chat completion")


def _sendable(call_id: str) -> str:
    """The id, unless it is one that nobody would send back."""
    return call_id if len(call_id) <= _LONGEST_ID else ""
