"""Tokens of signed URLs: what one may do with a file, until when, and a signature that stands for a credential."""

import base64
import hmac
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from server.domain.ids import FileId, UploadId
from server.domain.storage_errors import SignedUrlInvalid

_FORM: Final = re.compile(r"([ud])\.([0-9a-f-]{36})\.(\d{1,11})\.([\w-]{43})", re.ASCII)
_LEAST_SECRET_BYTES: Final = 32


class _Purpose(StrEnum):
    UPLOAD = "u"
    DOWNLOAD = "d"


class SignedUrls:
    """Signs and checks. A token is `<purpose>.<id>.<end in seconds since 1970>.<HMAC-SHA-256 of all that>`."""

    def __init__(self, secret: bytes, *, base_url: str = "") -> None:
        """`base_url` is where clients reach the service; empty: URLs begin with their path."""
        if len(secret) < _LEAST_SECRET_BYTES:
            raise ValueError(f"the secret needs at least {_LEAST_SECRET_BYTES} bytes")
        self._secret = secret
        self.base_url = base_url.rstrip("/")

    def for_upload(self, upload_id: UploadId, expires_at: datetime) -> str:
        """The token of leave to upload."""
        return self._signed(_Purpose.UPLOAD, upload_id, expires_at)

    def for_download(self, file_id: FileId, expires_at: datetime) -> str:
        """The token of leave to download a file."""
        return self._signed(_Purpose.DOWNLOAD, file_id, expires_at)

    def upload(self, token: str, now: datetime) -> UploadId:
        """What may be uploaded with a token. Raises `SignedUrlInvalid`."""
        return UploadId(self._checked(_Purpose.UPLOAD, token, now))

    def download(self, token: str, now: datetime) -> FileId:
        """What may be downloaded with a token. Raises `SignedUrlInvalid`."""
        return FileId(self._checked(_Purpose.DOWNLOAD, token, now))

    def _signed(self, purpose: _Purpose, identity: str, expires_at: datetime) -> str:
        body = f"{purpose}.{identity}.{int(expires_at.timestamp())}"
        return f"{body}.{self._signature(body)}"

    def _checked(self, purpose: _Purpose, token: str, now: datetime) -> str:
        form = _FORM.fullmatch(token)
        body = token.rpartition(".")[0]
        # In constant time, and before anything in the token is believed.
        if form is None or not hmac.compare_digest(form[4], self._signature(body)):
            raise SignedUrlInvalid
        if form[1] != purpose or datetime.fromtimestamp(int(form[3]), UTC) <= now:
            raise SignedUrlInvalid
        return form[2]

    def _signature(self, body: str) -> str:
        digest = hmac.digest(self._secret, body.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
