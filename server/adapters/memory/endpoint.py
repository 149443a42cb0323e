"""An embedder behind the embeddings endpoint of an OpenAI-compatible server."""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

import httpx
import numpy as np
import orjson

from server.adapters.memory.vectors import vector_of
from server.adapters.provider.body import Body
from server.adapters.provider.endpoint import secrets_of
from server.adapters.provider.failures import Failures
from server.adapters.provider.http_client import http_client, not_answered
from server.adapters.provider.patience import Patience, PatienceEnded
from server.adapters.provider.provider_config import ProviderConfig
from server.domain.memory import Embedded, EmbeddingModel, Vector
from server.domain.memory_errors import EmbedderUnavailable
from server.ports.provider import ProviderError
from server.ports.system import Clock

_JSON: Final = "application/json"
_ATTEMPTS: Final = 3
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 2.0
_TEXTS_AT_ONCE: Final = 64
_MOST_NUMBERS: Final = 8192
_MOST_TOKENS: Final = 10**9
_BYTES_PER_NUMBER: Final = 32
"""A JSON number with all its digits, and what stands around it."""


class EndpointEmbedder:
    """See `ports.memories.Embedder`. Every failure is `EmbedderUnavailable`; what may pass is tried three times."""

    def __init__(
        self,
        config: ProviderConfig,
        *,
        model: str,
        dimensions: int | None,
        clock: Clock,
        random: Callable[[], float],
        client: httpx.AsyncClient | None = None,
    ) -> None:
        """`dimensions`: how many numbers the server is asked for; `None` leaves that to the model. `random` gives
        numbers in [0, 1)."""
        self._config = config
        self._model_name = model
        self._dimensions = dimensions
        self._clock = clock
        self._random = random
        self._client = client or http_client(config)
        self._failures = Failures(provider=config.name, secrets=secrets_of(config))
        self.model = EmbeddingModel(config.name, model)
        self.name = f"{config.name}/{model}" + (f"@{dimensions}" if dimensions else "")

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector per text, in their order."""
        several = range(0, len(texts), _TEXTS_AT_ONCE)
        parts = [await self._embedded(texts[begin : begin + _TEXTS_AT_ONCE]) for begin in several]
        tokens = [part.input_tokens for part in parts if part.input_tokens is not None]
        told = sum(tokens) if len(tokens) == len(parts) else None
        return Embedded([vector for part in parts for vector in part.vectors], told)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _embedded(self, texts: Sequence[str]) -> Embedded:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._asked(texts)
            except ProviderError as error:
                if attempt == _ATTEMPTS or not error.retryable:
                    raise EmbedderUnavailable(error.message, cause_reason=error.reason) from error
            longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (attempt - 1))
            await self._clock.sleep(longest / 2 + longest / 2 * self._random())
        raise AssertionError("the last attempt returns or raises")

    async def _asked(self, texts: Sequence[str]) -> Embedded:
        timeout = self._config.timeouts.first_token
        patience = Patience(timeout)
        try:
            return await self._exchange(texts, patience)
        except PatienceEnded:
            raise self._failures.timed_out(timeout, what_for="vectors") from None
        finally:
            patience.close()

    async def _exchange(self, texts: Sequence[str], patience: Patience) -> Embedded:
        request = self._client.build_request(
            "POST", f"{self._config.base_url}/embeddings", content=self._body(texts), headers={"Accept": _JSON}
        )
        try:
            response = await patience.wait(self._client.send(request, stream=True))
        except httpx.HTTPError as error:
            raise not_answered(error, self._failures) from error
        async with aclosing(Body(response)) as body:
            if response.status_code != HTTPStatus.OK:
                raise self._failures.refused(
                    status=response.status_code,
                    headers=response.headers,
                    body=await body.collect(),
                    model=self._model_name,
                    now=self._clock.now(),
                )
            content = await self._collect(body, patience, len(texts))
        return await asyncio.to_thread(self._read, content, len(texts))

    async def _collect(self, body: Body, patience: Patience, texts: int) -> bytes:
        collected = bytearray()
        try:
            while chunk := await patience.wait(body.read()):
                collected += chunk
                if len(collected) > texts * _MOST_NUMBERS * _BYTES_PER_NUMBER:
                    raise self._failures.malformed("a reply that is too long to be vectors")
        except httpx.HTTPError as error:
            raise self._failures.cut() from error
        return bytes(collected)

    def _body(self, texts: Sequence[str]) -> bytes:
        body: dict[str, Any] = {"model": self._model_name, "input": list(texts), "encoding_format": "float"}
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        return orjson.dumps(body)

    def _read(self, content: bytes, texts: int) -> Embedded:
        try:
            reply = orjson.loads(content)
        except orjson.JSONDecodeError:
            raise self._failures.malformed("a reply that is not JSON") from None
        if isinstance(reply, dict) and reply.get("error"):
            raise self._failures.reported(reply["error"], self._model_name)
        found: dict[int, Vector] = {}
        try:
            for item in reply["data"]:
                found[item["index"]] = self._vector(item["embedding"])
        except (LookupError, TypeError):
            raise self._failures.malformed("a reply without vectors") from None
        if sorted(found) != list(range(texts)):
            raise self._failures.malformed("vectors of other texts than it was given")
        return Embedded([found[index] for index in range(texts)], _tokens(reply.get("usage")))

    def _vector(self, numbers: object) -> Vector:
        if not isinstance(numbers, list) or not 0 < len(numbers) <= _MOST_NUMBERS:
            raise self._failures.malformed("a vector that is none")
        if self._dimensions not in (None, len(numbers)):
            raise self._failures.malformed(f"a vector of {len(numbers)} numbers instead of {self._dimensions}")
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise self._failures.malformed("a vector of what is no number")
        return vector_of(self.name, np.array(numbers, dtype=np.float64))


def _tokens(usage: object) -> int | None:
    """What a server says it was sent; `None` when that is no number of tokens."""
    said = usage.get("prompt_tokens", usage.get("total_tokens")) if isinstance(usage, dict) else None
    return said if type(said) is int and 0 <= said <= _MOST_TOKENS else None
