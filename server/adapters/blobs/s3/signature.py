"""Signs requests as AWS Signature Version 4 has it, for S3: the path is signed as it is sent, encoded once.

See "Authenticating Requests (AWS Signature Version 4)" in the reference of the Amazon S3 API.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SERVICE: Final = "s3"
_REQUEST: Final = "aws4_request"
_UNRESERVED: Final = "-._~"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks. The session token belongs to credentials that were lent for a time."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def encoded_query(query: Mapping[str, str]) -> str:
    """A query string in its one signed form: sorted, everything encoded that is not unreserved."""
    pairs = sorted((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


class Signer:
    """Signs with one set of credentials for one region."""

    def __init__(self, credentials: Credentials, *, region: str) -> None:
        self._credentials = credentials
        self._region = region

    def headers(
        self, method: str, path: str, query: str, headers: Mapping[str, str], *, payload_sha256: str, at: datetime
    ) -> dict[str, str]:
        """The headers to send: `headers`, of which `host` must be one, with those that sign them all.

        `path` and `query` are as they are sent, the query from `encoded_query`; `payload_sha256` is the hex digest of
        the body; `at` is aware.
        """
        moment = at.strftime("%Y%m%dT%H%M%SZ")
        signed = {name.lower(): value for name, value in headers.items()}
        signed |= {"x-amz-date": moment, "x-amz-content-sha256": payload_sha256}
        if self._credentials.session_token is not None:
            signed["x-amz-security-token"] = self._credentials.session_token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
        request = "\n".join((method, path, query, lines, names, payload_sha256))
        scope = f"{moment[:8]}/{self._region}/{_SERVICE}/{_REQUEST}"
        to_sign = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()))
        signature = hmac.digest(self._key(moment[:8]), to_sign.encode(), "sha256").hex()
        who = f"{self._credentials.access_key}/{scope}"
        signed["authorization"] = f"{_ALGORITHM} Credential={who},SignedHeaders={names},Signature={signature}"
        return signed

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self._credentials.secret_key}".encode()
        for part in (day, self._region, _SERVICE, _REQUEST):
            key = hmac.digest(key, part.encode(), "sha256")
        return key
