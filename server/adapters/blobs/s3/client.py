"""Signed requests to one bucket, sent again with growing pauses when a failure may pass."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import httpx

from server.adapters.blobs.s3.body import NOTHING, Body
from server.adapters.blobs.s3.config import S3Config
from server.adapters.blobs.s3.failure import S3Failure, refusal
from server.adapters.blobs.s3.replies import error_code
from server.adapters.blobs.s3.signature import Signer, encoded_query
from server.ports.system import Clock

ATTEMPTS: Final = 4
"""How often a request is sent at most, the first time included."""
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 3.0
_MAX_CONNECTIONS: Final = 256
_MAX_IDLE: Final = 32
_KEEP_ALIVE: Final = 20.0
_REPLY_BYTES: Final = 8 * 1024 * 1024
"""More than a page of a thousand names has."""
_KEY_SAFE: Final = "/-._~"


@dataclass(frozen=True, slots=True)
class S3Request:
    """One request; without a key it is to the bucket itself."""

    method: str
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = NOTHING


@dataclass(frozen=True, slots=True)
class S3Reply:
    """A whole answer that tells of success."""

    headers: httpx.Headers
    body: bytes


class S3Client:
    """Speaks with the bucket over connections of its own; close it with `aclose`."""

    def __init__(self, config: S3Config, *, clock: Clock, random: Callable[[], float]) -> None:
        """`random` gives numbers in [0, 1). The environment's proxy and authorities count, but no proxy for this
        machine. Redirects are not followed: the signature is for one host."""
        self._config = config
        self._clock = clock
        self._random = random
        self._signer = Signer(config.credentials, region=config.region)
        url = httpx.URL(config.endpoint)
        host = url.netloc.decode()
        self._host = host if config.path_style else f"{config.bucket}.{host}"
        self._origin = f"{url.scheme}://{self._host}"
        self._base_path = f"/{config.bucket}" if config.path_style else ""
        silence = config.silence_seconds
        self._http = httpx.AsyncClient(
            headers={"Accept-Encoding": "identity", "User-Agent": "parley"},
            timeout=httpx.Timeout(silence, connect=config.connect_seconds),
            follow_redirects=False,
            trust_env=not config.is_loopback,
            limits=httpx.Limits(
                max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_IDLE, keepalive_expiry=_KEEP_ALIVE
            ),
        )

    async def aclose(self) -> None:
        """Give all connections back."""
        await self._http.aclose()

    async def send(self, request: S3Request) -> S3Reply:
        """The answer. Raises `S3Failure`: at once for one that stays, else the one of the last attempt."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._once(request)
            except S3Failure as failure:
                if not failure.may_pass:
                    raise
            await self.pause(attempt)
        return await self._once(request)

    async def pause(self, attempt: int) -> None:
        """Wait before the attempt after this one: half of a time that doubles, and up to as much again at random."""
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
        await self._clock.sleep(longest / 2 + longest / 2 * self._random())

    @asynccontextmanager
    async def opened(self, request: S3Request) -> AsyncIterator[httpx.Response]:
        """An answer that tells of success and whose body is still to be read; one attempt. Raises `S3Failure`, also
        for what httpx raises in the block."""
        path = quote(f"{self._base_path}/{request.key}", safe=_KEY_SAFE)
        query = encoded_query(request.query)
        headers = self._signer.headers(
            request.method,
            path,
            query,
            {"host": self._host, "content-length": str(request.body.size), **request.headers},
            payload_sha256=request.body.digest.hex(),
            at=self._clock.now(),
        )
        try:
            async with self._http.stream(
                request.method,
                f"{self._origin}{path}{'?' if query else ''}{query}",
                headers=headers,
                content=request.body.content(),
            ) as response:
                if not response.is_success:
                    raise refusal(response.status_code, error_code(await _whole(response)))
                yield response
        except httpx.HTTPError as error:
            raise S3Failure(f"did not answer ({type(error).__name__})") from error

    async def _once(self, request: S3Request) -> S3Reply:
        async with self.opened(request) as response:
            reply = S3Reply(response.headers, await _whole(response))
        # Long work is answered with success before it is done; that it failed is then said in the body.
        if reply.body and (code := error_code(reply.body)):
            raise S3Failure(f"answered 200 {code}", status=200, code=code)
        return reply


async def _whole(response: httpx.Response) -> bytes:
    pieces, size = [], 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > _REPLY_BYTES:
            raise S3Failure("answered with more than an answer has", status=response.status_code)
        pieces.append(piece)
    return b"".join(pieces)
