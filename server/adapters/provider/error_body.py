"""Reads what a provider says about an error, in the shapes that servers in use give it, and takes secrets out of it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

_LONGEST_QUOTE: Final = 500
_REDACTED: Final = "[redacted]"
# A shorter configured value would blank innocent words.
_SHORTEST_SECRET: Final = 6
# Keys as the well-known providers make them, whole or masked in the middle, and whatever follows "Bearer".
_LOOKS_SECRET: Final = re.compile(r"(?i)\bbearer\s+\S+|\b(?:sk|pk|gsk|xai|hf|key)[-_][\w*.…-]{6,}|\bAIza[\w-]{8,}")
_NOT_PRINTED: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class ReportedError:
    """What a provider said. Both are empty when it said nothing that could be read."""

    message: str = ""
    codes: frozenset[str] = frozenset()
    """Its `code`, `type` and `status`, as words."""


def json_object(body: bytes) -> Mapping[str, object]:
    """The JSON object that a body is; an empty one when it is something else or cut off."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(value, list) and value:  # Google's servers wrap the object of an error into an array
        value = value[0]
    return value if isinstance(value, Mapping) else {}


def read_error_body(body: bytes) -> ReportedError:
    """The error that a whole body is about."""
    value = json_object(body)
    # FastAPI's servers say `detail`; some say `message` at the top.
    return read_error(next((value[name] for name in ("error", "detail", "message") if value.get(name)), None))


def read_error(value: object) -> ReportedError:
    """The error of an `error` member: an object or a text."""
    if isinstance(value, str):
        return ReportedError(value)
    if not isinstance(value, Mapping):
        return ReportedError()
    codes = (value.get(name) for name in ("code", "type", "status"))
    words = [value.get("message"), _routed(value.get("metadata"))]
    return ReportedError(
        message=": ".join(word for word in words if isinstance(word, str) and word),
        codes=frozenset(str(code) for code in codes if isinstance(code, str | int)),
    )


def _routed(metadata: object) -> object:
    # OpenRouter's own message is "Provider returned error"; what the provider behind it said stands in `raw`.
    return metadata.get("raw") if isinstance(metadata, Mapping) else None


def quotable(text: str, secrets: Collection[str]) -> str:
    """The text as one short line without `secrets` and without what looks like a key."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _REDACTED)
    line = _NOT_PRINTED.sub(" ", _LOOKS_SECRET.sub(_REDACTED, text)).strip()
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}…"
