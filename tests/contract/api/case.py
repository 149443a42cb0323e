"""What a contract case is: a call, what went before it, and the reply or the refusal that it must have.

Requests and wanted replies are proto JSON in proto spelling. A text that starts with `$` names a value: those that
earlier calls kept, and `$organization`, the id of the default organization. Every case has a tenant of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Mapping[str, Any]
UNKNOWN_ID: Final = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `key` is `good`, `none`, `malformed`, `unknown`, `revoked` or `expired`; `token` stands for a person's
    token, with a user's usual rights unless `scopes` are given, and `token: …` for one of `bad_tokens.BAD`."""

    user: str = "anna"
    tenant: str = ""
    """Added to the case's own tenant: empty is the case's, anything else another one."""
    scopes: tuple[str, ...] = ("*",)
    key: str = "good"
    on_behalf_of: str | None = None


ANNA: Final = Caller()
BERT: Final = Caller(user="bert")
ANNA_HERSELF: Final = Caller(key="token")
"""Anna in person, by a token."""
STRANGER: Final = Caller(tenant="-elsewhere")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that must succeed, made before the one that the case is about; a stream is read to its end, or as long as
    `until` says."""

    rpc: str
    request: Json
    keep: Mapping[str, str] = field(default_factory=dict)
    """Values to keep: name to place in the reply, such as `models.0.id`; in the last of a stream that has it."""
    caller: Caller = ANNA
    until: str = ""
    """The member whose first message is the last that is read of a stream."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that contains this. Mappings may have more keys, lists have exactly these items; fields without presence
    are there with their default."""

    contains: Json


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that begins with these messages, each matched as a `Reply`, and ends with those; without `ends` it goes
    on and is left after its beginning."""

    begins: tuple[Json, ...]
    ends: tuple[Json, ...] | None = None


@dataclass(frozen=True, slots=True)
class Matching:
    """Any text that matches the whole pattern."""

    pattern: str

    def matches(self, value: object) -> bool:
        """Whether the value is such a text."""
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True, slots=True)
class Refused:
    """An error of this code, reason and HTTP status, which names these fields; a stream may have sent something before,
    hence `http` may be `None`."""

    code: str
    reason: str | Matching
    http: int | None
    fields: tuple[str, ...] = ()
    detail: "str | Matching | None" = None
    """The text, where the documented error body is a text and nothing else; it tells neither reason nor fields then."""


@dataclass(frozen=True, slots=True)
class Case:
    """One truth about one RPC."""

    name: str
    rpc: str
    """`parley.v1.ThreadService/GetThread`."""
    request: Json
    wants: Reply | Stream | Refused
    before: tuple[Call, ...] = ()
    caller: Caller = ANNA


class _Absent:
    """The field is not set."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
UUID: Final = Matching(r"[0-9a-f]{8}-[0-9a-f]{4}-[57][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
RUN_ID: Final = Matching(r"run_[0-9a-f]{32}")
MOMENT: Final = Matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,9})?Z")
TOKEN: Final = Matching(r"[-\w]+")
