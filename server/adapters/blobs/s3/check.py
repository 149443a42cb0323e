"""Tries at start what the service will do later, so that a wrong setting is told by a sentence and not by an upload."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from server.adapters.blobs.s3.body import Body
from server.adapters.blobs.s3.client import S3Client, S3Request
from server.adapters.blobs.s3.config import S3Config
from server.adapters.blobs.s3.failure import S3Failure

_CAUSES: Final = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret key is not that of the access key",
    "InvalidToken": "the session token is not valid",
    "ExpiredToken": "the session token has expired",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "AuthorizationHeaderMalformed": "the region is not the bucket's",
    "PermanentRedirect": "the region or the endpoint is not the bucket's",
    "MethodNotAllowed": "it does not offer that",
    "NotImplemented": "it does not offer that",
}


class StorageUnusable(Exception):
    """The storage cannot be used as it is configured; the text is a sentence without its full stop."""


async def check(client: S3Client, config: S3Config) -> None:
    """Look at the bucket, and put, read and delete an object of no bytes. Raises `StorageUnusable`."""
    key = f"{config.prefix}probe-{secrets.token_hex(16)}"
    page = {"prefix": config.prefix, "encoding-type": "url"}
    encryption = dict(config.encryption or {})
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "list objects": lambda: client.send(S3Request("GET", query={"list-type": "2", "max-keys": "1", **page})),
        "list uploads": lambda: client.send(S3Request("GET", query={"uploads": "", "max-uploads": "1", **page})),
        "store an object": lambda: client.send(S3Request("PUT", key, headers=encryption, body=Body())),
        "read an object": lambda: client.send(S3Request("GET", key)),
        "delete an object": lambda: client.send(S3Request("DELETE", key)),
    }
    for what, step in steps.items():
        try:
            await step()
        except S3Failure as failure:
            cause = _CAUSES.get(failure.code, f"it {failure}")
            place = f"{config.endpoint} does not {what} in the bucket {config.bucket!r}"
            raise StorageUnusable(f"{place}: {cause}") from failure
