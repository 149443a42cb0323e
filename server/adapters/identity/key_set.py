"""The issuer's published keys: fetched when they are needed, kept while they are young, and when the issuer is away."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import httpx
import orjson
import structlog

from server.adapters.identity.web_key import WebKey, usable_keys
from server.domain.errors import KeyInvalid
from server.domain.identity_errors import IssuerUnavailable
from server.ports.system import Clock
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

_MOST_BYTES: Final = 256 * 1024
_NO_KEYS: Final[Sequence[WebKey]] = ()


class KeySet:
    """The keys behind a URL. Entered with `async with`, it begins to fetch them.

    A token whose key is known waits for nothing: keys older than `max_age` are used while new ones are fetched. A token
    whose key is unknown waits for one fetch, and starts it if the last one is `interval` ago: made-up key ids cost the
    issuer one request an interval. While the issuer is away the last keys it gave go on counting, however old.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        trust_env: bool,
        max_age: timedelta = timedelta(minutes=5),
        interval: timedelta = timedelta(seconds=10),
        first_interval: timedelta = timedelta(seconds=1),
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        """`first_interval` stands for `interval` until there are any keys; `patience` is how long a fetch may take."""
        self._url = url
        self._clock = clock
        self._max_age = max_age.total_seconds()
        self._interval = interval.total_seconds()
        self._first_interval = first_interval.total_seconds()
        self._patience = patience.total_seconds()
        self._client = httpx.AsyncClient(
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "parley"},
            timeout=self._patience,
            follow_redirects=False,
            trust_env=trust_env,
        )
        self._tasks = OwnTasks()
        self._fetch: asyncio.Task[None] | None = None
        self._keys: Sequence[WebKey] = _NO_KEYS
        self._asked_at: float | None = None
        self._fetched_at: float | None = None
        self._is_away = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._ask()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)
        await self._client.aclose()

    async def key(self, key_id: str | None, algorithm: str) -> WebKey:
        """The key of that id and algorithm; without an id the only key of the algorithm. Raises `KeyInvalid` when the
        issuer has none, `IssuerUnavailable` when it cannot be asked."""
        if self._fetched_at is None or self._clock.monotonic() - self._fetched_at >= self._max_age:
            self._ask()
        found = self._found(key_id, algorithm)
        if found is None:
            self._ask()
            if self._fetch is not None:
                # Not `await self._fetch`: a caller that leaves would take the fetch of all others with it.
                await asyncio.wait({self._fetch})
            found = self._found(key_id, algorithm)
        if found is not None:
            return found
        raise IssuerUnavailable if self._is_away else KeyInvalid

    def _found(self, key_id: str | None, algorithm: str) -> WebKey | None:
        fitting = [key for key in self._keys if key.algorithm == algorithm and key_id in (None, key.id)]
        return fitting[0] if len(fitting) == 1 else None

    def _ask(self) -> None:
        """Begin to fetch, unless that is under way or was done just now."""
        if self._fetch is not None and not self._fetch.done():
            return
        now = self._clock.monotonic()
        interval = self._first_interval if self._fetched_at is None else self._interval
        if self._asked_at is not None and now - self._asked_at < interval:
            self._fetch = None
            return
        self._asked_at = now
        self._fetch = self._tasks.create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                self._keys = usable_keys(orjson.loads(await self._body()))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            self._is_away = True
            _log.warning("issuer_keys_not_fetched", cause=type(error).__name__, kept=len(self._keys))
        else:
            self._is_away = False
            self._fetched_at = self._clock.monotonic()

    async def _body(self) -> bytes:
        """The reply, if it is one and no longer than a key set can be. Raises `ValueError` otherwise."""
        body = bytearray()
        async with self._client.stream("GET", self._url) as response:
            if response.status_code != httpx.codes.OK or response.headers.get("content-encoding", "identity") != (
                "identity"
            ):
                raise ValueError("the reply is no plain 200")
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise ValueError("the reply is too long")
        return bytes(body)
