"""The body of a request to a webhook: `type`, `timestamp` and `data`."""

from typing import Any, Final

import orjson

from server.domain.webhook import Due

CONTENT_BYTES: Final = 256 * 1024
"""A longer answer is cut."""


def body_of(due: Due, content: str | None = None) -> bytes:
    """The body, with the text of an answer where there is one to be told; the same at every attempt."""
    delivery = due.delivery
    data: dict[str, Any] = {
        "conversation_id": delivery.conversation_id,
        "conversation_key": due.conversation_key,
        "user": delivery.owner.user,
        "sequence": delivery.sequence,
        "run_id": delivery.run_id,
    }
    if delivery.conversation_id is None:
        data = {"webhook_id": delivery.webhook_id}
    told = {name: value for name, value in orjson.loads(delivery.facts).items() if value is not None}
    data |= told
    if content is not None:
        data |= _cut(content)
    return orjson.dumps({"type": delivery.event, "timestamp": delivery.occurred_at, "data": data})


def _cut(content: str) -> dict[str, Any]:
    encoded = content.encode()
    if len(encoded) <= CONTENT_BYTES:
        return {"content": content}
    return {"content": encoded[:CONTENT_BYTES].decode(errors="ignore"), "content_is_cut": True}
