"""A provider that speaks OpenAI's chat completions and images over HTTP, as most servers and routers of models do."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus

import httpx

from server.adapters.provider.answer import Answer
from server.adapters.provider.body import Body
from server.adapters.provider.chat_completion import request_body
from server.adapters.provider.endpoint import secrets_of
from server.adapters.provider.failures import Failures
from server.adapters.provider.http_client import http_client, not_answered
from server.adapters.provider.images import ImagesEndpoint
from server.adapters.provider.patience import Patience, PatienceEnded
from server.adapters.provider.provider_config import ProviderConfig
from server.adapters.provider.repetition import texts, without_repetition
from server.failpoint import failpoint
from server.ports.provider import CompletionRequest, Image, ImageRequest, Piece, ProviderError
from server.ports.system import Clock


class OpenAICompatibleProvider:
    """One server, reached through one pool of HTTP/1.1 connections.

    Every failure is a `ProviderError`; nothing is retried here. Close it on the loop that used it.
    """

    def __init__(self, config: ProviderConfig, *, clock: Clock, client: httpx.AsyncClient | None = None) -> None:
        """Take over `client`, by default the one that `http_client` chooses."""
        self._config = config
        self._clock = clock
        self._url = f"{config.base_url}/chat/completions"
        self._failures = Failures(provider=config.name, secrets=secrets_of(config))
        self._client = client or http_client(config)
        self._images = ImagesEndpoint(config, client=self._client, failures=self._failures, clock=clock)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._config.name

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """The answer as it comes; behind its text what it asks for, and usage, if the provider counts it, as the last
        piece."""
        model = request.generation.model or ""
        answer = Answer(failures=self._failures, model=model, offered=[tool.name for tool in request.tools])
        patience = Patience(self._config.timeouts.first_token)
        begun = False
        try:
            async with aclosing(await self._open(request, model, patience)) as body:
                failpoint("upstream.called")
                while chunk := await self._read(body, patience, begun=begun):
                    events = answer.events
                    for piece in answer.feed(chunk):
                        begun = True
                        yield piece
                    if answer.failure is not None:
                        raise answer.failure
                    if answer.done:
                        break
                    begun = begun or answer.has_begun_to_ask
                    if begun and answer.events != events:
                        patience.put_off(self._config.timeouts.between_tokens)
                answer.end()
                for piece in answer.rest():
                    yield piece
                await body.drain()
        except ProviderError as error:
            # What is paid for an answer that fails is known all the same, if the provider has said so before.
            if (reported := answer.usage()) is not None:
                yield reported
            raise without_repetition(error, texts(request)) from error.__cause__
        finally:
            patience.close()

    async def draw(self, request: ImageRequest) -> Image:
        """One image, as the server's images endpoint draws it."""
        try:
            return await self._images.draw(request)
        except ProviderError as error:
            raise without_repetition(error, [request.prompt]) from error.__cause__

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _open(self, request: CompletionRequest, model: str, patience: Patience) -> Body:
        """Send the request; the body of the answer, once its head says that it is one."""
        config = self._config
        content = request_body(
            request, provider=config.name, base_url=config.base_url, max_tokens_field=config.max_tokens_field
        )
        http_request = self._client.build_request("POST", self._url, content=content)
        try:
            response = await patience.wait(self._client.send(http_request, stream=True))
        except PatienceEnded:
            raise self._failures.timed_out(self._config.timeouts.first_token) from None
        except httpx.HTTPError as error:
            raise not_answered(error, self._failures) from error
        body = Body(response)
        try:
            await self._check(response, body, model)
        except BaseException:
            await body.aclose()
            raise
        return body

    async def _check(self, response: httpx.Response, body: Body, model: str) -> None:
        """Raise what the head, and the body of an error, say."""
        if response.status_code != HTTPStatus.OK:
            raise self._failures.refused(
                status=response.status_code,
                headers=response.headers,
                body=await body.collect(),
                model=model,
                now=self._clock.now(),
            )
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == "application/json":
            raise self._failures.answered_at_once(await body.collect(), model)
        if content_type == "text/html":
            raise self._failures.malformed("a web page instead of an answer")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise self._failures.malformed("a compressed answer, which was not asked for")

    async def _read(self, body: Body, patience: Patience, *, begun: bool) -> bytes:
        """The next bytes of the answer, none at its end."""
        timeouts = self._config.timeouts
        try:
            return await patience.wait(body.read())
        except PatienceEnded:
            failures = self._failures
            raise (
                failures.stalled(timeouts.between_tokens) if begun else failures.timed_out(timeouts.first_token)
            ) from None
        except httpx.HTTPError as error:
            raise self._failures.cut() from error
