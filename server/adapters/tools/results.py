"""Makes a result of what a server answered to a call."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from server.adapters.tools.definitions import cut
from server.ports.tools import ToolResult

_MOST_LABEL: Final = 200


class NoResult(Exception):
    """The answer is none that the protocol knows."""


def tool_result(answer: Mapping[str, Any], *, most_bytes: int, duration: timedelta) -> ToolResult:
    """The texts of the answer, one below the other; other kinds are named. Structured content stands in where there is
    no text. Raises `NoResult`."""
    blocks = answer.get("content", [])
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        raise NoResult
    structured = answer.get("structuredContent")
    parts = [_part(block) for block in blocks]
    if structured is not None and not any(block.get("type") == "text" for block in blocks):
        parts.append(json.dumps(structured, ensure_ascii=False))
    return _result("\n".join(parts), answer.get("isError") is True, most_bytes, duration)


def refusal(message: object, *, most_bytes: int, duration: timedelta) -> ToolResult:
    """What the server said instead of a result: a JSON-RPC error is an error of the tool's to the model."""
    return _result(message if isinstance(message, str) and message else "error", True, most_bytes, duration)


def _result(text: str, is_error: bool, most_bytes: int, duration: timedelta) -> ToolResult:
    text = text.encode(errors="replace").decode()
    size = len(text.encode())
    if size <= most_bytes:
        return ToolResult(text, is_error, False, duration)
    # A cap below the mark's own length leaves a part of the mark.
    shown = cut(text, most_bytes, f"\n[cut: the result has {size} bytes]").encode()[:most_bytes]
    return ToolResult(shown.decode(errors="ignore"), is_error, True, duration)


def _part(block: Mapping[str, Any]) -> str:
    kind = block.get("type")
    if kind == "text":
        text = block.get("text")
        if not isinstance(text, str):
            raise NoResult
        return text
    if kind in {"image", "audio"}:
        return _named(kind, block.get("mimeType"), _size(block.get("data")))
    if kind == "resource_link":
        return _named("resource link", block.get("uri"))
    resource = block.get("resource")
    if kind == "resource" and isinstance(resource, Mapping):
        size = _size(resource.get("blob")) or _length(resource.get("text"))
        return _named("resource", resource.get("uri"), resource.get("mimeType"), size)
    return _named(kind if isinstance(kind, str) else "unknown content")


def _named(*labels: object) -> str:
    return f"[{', '.join(label[:_MOST_LABEL] for label in labels if isinstance(label, str) and label)}]"


def _size(base64: object) -> str | None:
    """How much a text in base64 stands for."""
    return f"{len(base64.rstrip('=')) * 3 // 4} bytes" if isinstance(base64, str) else None


def _length(text: object) -> str | None:
    return f"{len(text.encode(errors='replace'))} bytes" if isinstance(text, str) else None
