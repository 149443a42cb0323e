"""Bytes of HTTP/1.1 responses and of streamed chat completions."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_PHRASES = {status.value: status.phrase for status in HTTPStatus}

DONE = b"data: [DONE]\n\n"


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers."""
    phrase = _PHRASES.get(status, "Scripted")
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def framed(body: bytes) -> bytes:
    """One chunk of a chunked body; of no bytes, its end."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def event(payload: Any) -> bytes:
    """One server-sent event with a JSON payload."""
    return b"data: " + json_bytes(payload) + b"\n\n"


def json_bytes(value: Any) -> bytes:
    """UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False).encode()


def completion_chunk(
    delta: Mapping[str, Any], *, finish_reason: str | None = None, usage: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """A `chat.completion.chunk` as OpenAI sends it."""
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_730_000_000,
        "model": "scripted",
        "choices": [{"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish_reason}],
        "usage": usage,
    }


def usage_chunk(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """The chunk behind the last choice that `include_usage` asks for: without choices."""
    total = prompt_tokens + completion_tokens
    counts = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}
    return {**completion_chunk({}), "choices": [], "usage": counts}
