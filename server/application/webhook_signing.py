"""Secrets of webhooks, and signatures by them, as the Standard Webhooks specification has them.

No secret is stored: each follows from the service's own secret, the webhook and how many secrets that has had. Who has
the database alone can forge nothing.
"""

import base64
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from server.domain.ids import WebhookId
from server.domain.webhook import Webhook

_HEAD: Final = "whsec_"
_LEAST_SECRET_BYTES: Final = 32


class WebhookSecrets:
    """Derives secrets from one of at least 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _LEAST_SECRET_BYTES:
            raise ValueError(f"the secret needs at least {_LEAST_SECRET_BYTES} bytes")
        self._secret = secret

    def shown(self, webhook_id: WebhookId, generation: int) -> str:
        """The secret as its receiver is given it."""
        return _HEAD + base64.b64encode(self._derived(webhook_id, generation)).decode()

    def of(self, webhook: Webhook, now: datetime) -> list[bytes]:
        """The secrets that count now, the newest first."""
        generations = [webhook.generation]
        if webhook.previous_until is not None and now < webhook.previous_until:
            generations.append(webhook.generation - 1)
        return [self._derived(webhook.id, generation) for generation in generations]

    def _derived(self, webhook_id: WebhookId, generation: int) -> bytes:
        return hmac.digest(self._secret, f"{webhook_id}/{generation}".encode(), "sha256")


def signed_headers(message_id: str, sent_at: datetime, body: bytes, secrets: Iterable[bytes]) -> dict[str, str]:
    """The headers of a request: id, time in seconds since 1970, and a signature by each secret."""
    timestamp = str(int(sent_at.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
