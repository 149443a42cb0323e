"""What some well-known servers demand of a history that they did not write themselves.

A conversation may go on with another model at every turn. These refuse what the last one left, so they are given what
they take in its place: Mistral's models want ids of nine letters and digits, DeepSeek some reasoning with every answer,
and Gemini a signature with every round of calls, for which its documentation names a word that stands for none.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import httpx

from server.adapters.provider.provider_parts import CALL_FIELDS, REASONING

_MISTRAL: Final = re.compile(r"(?i)mi[sx]tral|codestral|devstral|magistral|ministral|pixtral")
_SHORT_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_UNSIGNED_GEMINI: Final = re.compile(r"(?i)gemini-[12]\b")
_NO_SIGNATURE: Final = {"google": {"thought_signature": "skip_thought_signature_validator"}}
_NO_REASONING: Final = "(not kept)"


def adapt(messages: Sequence[dict[str, Any]], *, base_url: str, model: str) -> None:
    """Change messages of a request to what the server of that URL takes from that model's users; most take anything."""
    host = httpx.URL(base_url).host
    if _is_at(host, "mistral.ai") or _MISTRAL.search(model):
        _shorten_ids(messages)
    if _is_at(host, "deepseek.com"):
        for message in messages:
            if message["role"] == "assistant":
                message.setdefault(REASONING, _NO_REASONING)
    if host == "generativelanguage.googleapis.com" and not _UNSIGNED_GEMINI.search(model):
        for message in messages:
            _sign(message.get("tool_calls") or ())


def _is_at(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _shorten_ids(messages: Sequence[dict[str, Any]]) -> None:
    for message in messages:
        for call in message.get("tool_calls") or ():
            call["id"] = _short_id(call["id"])
        if "tool_call_id" in message:
            message["tool_call_id"] = _short_id(message["tool_call_id"] or "")


def _short_id(call_id: str) -> str:
    """The id itself if it has the form, else nine hex digits that follow from it."""
    return call_id if _SHORT_ID.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _sign(calls: Sequence[dict[str, Any]]) -> None:
    """Only the first of the calls that are made at once bears a signature."""
    if calls and not any(field in call for call in calls for field in CALL_FIELDS):
        calls[0]["extra_content"] = _NO_SIGNATURE
