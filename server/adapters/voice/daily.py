"""Rooms of Daily (https://docs.daily.co/reference/rest-api): private, with an end, made and opened with the key of the
configuration, which no reply and no log ever shows.

Every request may be made again: rooms have names of this service's choice, tokens are not kept by Daily.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx
import orjson
import structlog

from server.adapters.provider.body import Body
from server.adapters.provider.endpoint import is_loopback
from server.adapters.provider.retry_after import parse_retry_after
from server.adapters.voice.configuration import DailyConfig
from server.domain.errors import ParleyError
from server.domain.voice_errors import VoiceServiceRefused, VoiceServiceUnavailable
from server.ports.system import Clock
from server.ports.voice import Guest

_log = structlog.get_logger(__name__)

_ATTEMPTS: Final = 3
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 4.0
_REQUEST_SECONDS: Final = 10.0
_MOST_GUESTS: Final = 4
"""In a room: the bot, its user, and what a lost connection or a second device of the user's leaves there."""
_WORD: Final = re.compile(r"[a-z-]{1,64}")
_KEY_REFUSED: Final = frozenset({"authentication-error", "authorization-header-error"})


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply, as much of it as counts."""

    status: int
    body: Mapping[str, Any]
    retry_after: timedelta | None = None

    @property
    def is_ok(self) -> bool:
        return self.status == HTTPStatus.OK

    @property
    def may_pass(self) -> bool:
        """Whether the same request may go well in a moment."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def error(self) -> str:
        """Daily's word for what is wrong."""
        word = self.body.get("error")
        return word if isinstance(word, str) and _WORD.fullmatch(word) else "unknown"


class DailyRooms:
    """See `ports.voice.Rooms`. What may pass is tried three times, each time for ten seconds at most."""

    def __init__(
        self,
        config: DailyConfig,
        *,
        clock: Clock,
        random: Callable[[], float],
        client: httpx.AsyncClient | None = None,
        request_seconds: float = _REQUEST_SECONDS,
    ) -> None:
        """`random` gives numbers in [0, 1)."""
        self._url = config.api_url
        self._clock = clock
        self._random = random
        self._seconds = request_seconds
        self._client = client or httpx.AsyncClient(
            headers={"Authorization": f"Bearer {config.api_key}", "User-Agent": "parley"},
            timeout=httpx.Timeout(None, connect=request_seconds),  # `_exchange` bounds the whole
            follow_redirects=False,
            trust_env=not is_loopback(config.api_url),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def open(self, name: str, *, until: datetime) -> str:
        """Make a private room; nobody is in it behind its end."""
        properties = {
            "exp": int(until.timestamp()),
            "eject_at_room_exp": True,
            "max_participants": _MOST_GUESTS,
            "enable_chat": False,
            "enable_screenshare": False,
            "enable_knocking": False,
            "start_video_off": True,
        }
        reply = await self._ask("POST", "/rooms", {"name": name, "privacy": "private", "properties": properties})
        if reply.status == HTTPStatus.BAD_REQUEST:
            # An attempt whose reply was lost may have made it; nobody else has the name.
            found = await self._ask("GET", f"/rooms/{name}")
            reply = found if found.is_ok else reply
        url = self._checked(reply).body.get("url")
        is_the_room = reply.body.get("name") == name and reply.body.get("privacy") == "private"
        if not isinstance(url, str) or not url.startswith("https://") or not is_the_room:
            raise VoiceServiceUnavailable("Daily replied with something else than the private room")
        return url

    async def admit(self, name: str, guest: Guest, *, until: datetime) -> str:
        """A meeting token for that room alone, without an owner's rights."""
        properties = {
            "room_name": name,
            "user_id": guest.id,
            "user_name": guest.name,
            "is_owner": False,
            "exp": int(until.timestamp()),
            "eject_at_token_exp": True,
        }
        token = self._checked(await self._ask("POST", "/meeting-tokens", {"properties": properties})).body.get("token")
        if not isinstance(token, str) or not token:
            raise VoiceServiceUnavailable("Daily replied without a token")
        return token

    async def close(self, name: str) -> None:
        """Destroy a room; one that is gone is closed."""
        reply = await self._ask("DELETE", f"/rooms/{name}")
        if reply.status != HTTPStatus.NOT_FOUND:
            self._checked(reply)

    def _checked(self, reply: _Reply) -> _Reply:
        if reply.is_ok:
            return reply
        _log.warning("daily_refused", status=reply.status, error=reply.error)
        if reply.status == HTTPStatus.UNAUTHORIZED or reply.error in _KEY_REFUSED:
            raise VoiceServiceRefused("Daily does not take the API key of the configuration")
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise VoiceServiceUnavailable("Daily takes no more requests for a while", reply.retry_after)
        if reply.may_pass:
            raise VoiceServiceUnavailable(f"Daily answered with status {reply.status}", reply.retry_after)
        raise VoiceServiceRefused(f"Daily refused the request with status {reply.status} ({reply.error})")

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> _Reply:
        """A reply, the last one at worst. Raises `VoiceServiceUnavailable` when none came."""
        for attempt in range(1, _ATTEMPTS + 1):
            outcome: _Reply | ParleyError
            try:
                outcome = await self._exchange(method, path, body)
            except VoiceServiceUnavailable as error:
                outcome = error
            if isinstance(outcome, _Reply) and not outcome.may_pass:
                return outcome
            delay = self._delay(attempt, outcome.retry_after)
            if attempt < _ATTEMPTS and delay <= _LONGEST_DELAY:
                await self._clock.sleep(delay)
                continue
            if isinstance(outcome, ParleyError):
                raise outcome
            return outcome
        raise AssertionError("the last attempt returns or raises")

    def _delay(self, attempt: int, asked: timedelta | None) -> float:
        if asked is not None:
            return asked.total_seconds()
        longest = _FIRST_DELAY * 2 ** (attempt - 1)
        return float(longest / 2 + longest / 2 * self._random())

    async def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> _Reply:
        content = None if body is None else orjson.dumps(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        request = self._client.build_request(method, f"{self._url}{path}", content=content, headers=headers)
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.send(request, stream=True)
                async with aclosing(Body(response)) as read:
                    received = await read.collect()
        except TimeoutError:
            raise VoiceServiceUnavailable("Daily did not answer in time") from None
        except httpx.HTTPError as error:
            _log.info("daily_unreachable", cause=type(error).__name__)
            raise VoiceServiceUnavailable("Daily could not be reached") from None
        after = parse_retry_after(response.headers.get("retry-after"), self._clock.now())
        return _Reply(response.status_code, _object(received), after)


def _object(received: bytes) -> Mapping[str, Any]:
    """The JSON object of a body; empty when it is none."""
    try:
        found = orjson.loads(received)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
