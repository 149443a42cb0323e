"""Verifies a request to a webhook: whether it comes from Parley, and lately."""

import base64
import hmac
import time
from collections.abc import Mapping


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: int = 300) -> bool:
    """Whether a body, as it was received, was signed with the secret `whsec_…` within so many seconds."""
    message_id, sent_at = headers["webhook-id"], headers["webhook-timestamp"]
    if not sent_at.isdecimal() or abs(time.time() - int(sent_at)) > tolerance:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{sent_at}.".encode() + body, "sha256")
    wanted = f"v1,{base64.b64encode(digest).decode()}".encode()
    return any(hmac.compare_digest(each.encode(), wanted) for each in headers["webhook-signature"].split())
