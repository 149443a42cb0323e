"""What the pipeline reads of a call's metadata: request id, credential, for whom it acts, whence, idempotency key."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from server.application.authentication import ON_BEHALF_OF
from server.domain.errors import FieldViolation, InvalidField

REQUEST_ID: Final = "x-request-id"
_API_KEYS: Final = frozenset({"x-api-key", "uni-api-key"})
_AUTHORIZATION: Final = "authorization"
_IDEMPOTENCY_KEY: Final = "idempotency-key"
_FORWARDED_FOR: Final = "x-forwarded-for"
_READ: Final = _API_KEYS | {_AUTHORIZATION, REQUEST_ID, ON_BEHALF_OF, _IDEMPOTENCY_KEY, _FORWARDED_FOR}
MOST_FIELDS: Final = 64
"""As many metadata entries may a call have, its `user-agent` included; over HTTP it is as many header fields."""
_LONGEST_KEY: Final = 128
_SANE_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z._:/+=-]{1,128}")
_BEARER: Final = "bearer"


@dataclass(slots=True)
class Headers:
    """The values of the headers that matter, in the order sent; most calls have one credential and nothing else."""

    request_id: str | None
    credentials: list[str]
    """Keys and tokens, whatever header they came in."""
    subjects: list[str]
    keys: list[str]
    forwarded: list[str]
    """What proxies say of whom they were called by."""
    fields: int
    """Entries in all."""

    def on_behalf_of(self) -> str | None:
        """The one user for whom the call acts. Raises `InvalidField` for two."""
        found = self.subjects
        if not found:
            return None
        if len(found) > 1:
            raise InvalidField([FieldViolation(ON_BEHALF_OF, "may be given once")])
        return found[0]

    def idempotency_key(self) -> str | None:
        """What marks the call as one that may be made again. Raises `InvalidField` for two, and for none that can be.

        The quotes that the header's draft standard asks for belong to the header, not to the key.
        """
        if not self.keys:
            return None
        key = self.keys[0].strip()
        if len(key) > 1 and key[0] == key[-1] == '"':
            key = key[1:-1]
        if len(self.keys) > 1 or not 0 < len(key) <= _LONGEST_KEY:
            wanted = f"may be given once, with 1 to {_LONGEST_KEY} characters"
            raise InvalidField([FieldViolation(_IDEMPOTENCY_KEY, wanted)])
        return key


def read(metadata: Collection[tuple[str, str | bytes]]) -> Headers:
    """Pick out what matters. Keys are lower case, as gRPC has them; an empty credential counts as none."""
    headers = Headers(None, [], [], [], [], len(metadata))
    for name, value in metadata:
        if name not in _READ or not isinstance(value, str):
            continue
        if name in _API_KEYS:
            _add(headers.credentials, value)
        elif name == _AUTHORIZATION:
            _add(headers.credentials, _bearer(value))
        elif name == ON_BEHALF_OF:
            headers.subjects.append(value)
        elif name == _IDEMPOTENCY_KEY:
            headers.keys.append(value)
        elif name == _FORWARDED_FOR:
            headers.forwarded.append(value)
        elif _SANE_REQUEST_ID.fullmatch(value):
            headers.request_id = value
    return headers


def _add(credentials: list[str], value: str) -> None:
    value = value.strip()
    if value:
        credentials.append(value)


def _bearer(value: str) -> str:
    """The token of a Bearer header; of any other scheme the whole value, which is no key."""
    scheme, _, token = value.strip().partition(" ")
    return token if scheme.lower() == _BEARER else value
