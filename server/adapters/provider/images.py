"""OpenAI's images endpoint: asks for one image and takes it, inline or from the server's own URL."""

from contextlib import aclosing
from http import HTTPStatus
from typing import Final, NamedTuple

import httpx

from server.adapters.provider.body import Body
from server.adapters.provider.failures import Failures
from server.adapters.provider.http_client import not_answered
from server.adapters.provider.image_reply import ImageReply, checked, read_reply, request_body
from server.adapters.provider.patience import Patience, PatienceEnded
from server.adapters.provider.provider_config import ProviderConfig
from server.domain.image import MAX_IMAGE_BYTES
from server.ports.provider import Image, ImageRequest, ProviderError
from server.ports.system import Clock

# Base 64 makes four bytes of three; what stands around it is short.
_MAX_REPLY_BYTES: Final = MAX_IMAGE_BYTES * 4 // 3 + 64 * 1024
_RESPONSE_FORMAT: Final = b"response_format"


class _Refused(NamedTuple):
    """A refusal of the request, and whether the server stumbled over `response_format`."""

    error: ProviderError
    knows_no_format: bool


class ImagesEndpoint:
    """Draws with one server. Takes the client over from nobody: whoever made it closes it."""

    def __init__(self, config: ProviderConfig, *, client: httpx.AsyncClient, failures: Failures, clock: Clock) -> None:
        self._config = config
        self._client = client
        self._failures = failures
        self._clock = clock
        self._url = f"{config.base_url}/images/generations"

    async def draw(self, request: ImageRequest) -> Image:
        """One image. Raises `ProviderError`; nothing is retried, but a server that does not know `response_format` is
        asked again without."""
        patience = Patience(self._config.timeouts.first_token)
        try:
            reply = await self._ask(request, patience)
            content = reply.content
            if reply.url is not None:
                content = await self._fetch(reply.url, request.model, patience)
            return checked(content, self._failures)
        except PatienceEnded:
            raise self._failures.timed_out(self._config.timeouts.first_token, what_for="image") from None
        finally:
            patience.close()

    async def _ask(self, request: ImageRequest, patience: Patience) -> ImageReply:
        found = await self._post(request, patience, inline=True)
        if isinstance(found, _Refused) and found.knows_no_format:
            found = await self._post(request, patience, inline=False)
        if isinstance(found, _Refused):
            raise found.error
        return await read_reply(found, request.model, self._failures)

    async def _post(self, request: ImageRequest, patience: Patience, *, inline: bool) -> bytes | _Refused:
        http_request = self._client.build_request(
            "POST", self._url, content=request_body(request, inline=inline), headers={"Accept": "application/json"}
        )
        return await self._exchange(http_request, request.model, patience, limit=_MAX_REPLY_BYTES)

    async def _fetch(self, url: str, model: str, patience: Patience) -> bytes:
        """The image behind a URL. Only the server's own origin is asked: a URL that a server names may lead into the
        network of this one, and the key goes with the request."""
        try:
            place = httpx.URL(url)
        except httpx.InvalidURL:
            raise self._failures.malformed("a URL of an image that is none") from None
        if _origin(place) != _origin(httpx.URL(self._url)) or place.userinfo:
            raise self._failures.refused_image("a URL of an image on another server, which is not asked for it")
        http_request = self._client.build_request("GET", place, headers={"Accept": "image/*"})
        found = await self._exchange(http_request, model, patience, limit=MAX_IMAGE_BYTES)
        if isinstance(found, _Refused):
            raise found.error
        return found

    async def _exchange(
        self, request: httpx.Request, model: str, patience: Patience, *, limit: int
    ) -> bytes | _Refused:
        try:
            response = await patience.wait(self._client.send(request, stream=True))
        except httpx.HTTPError as error:
            raise not_answered(error, self._failures) from error
        async with aclosing(Body(response)) as body:
            if response.status_code != HTTPStatus.OK:
                return await self._refusal(response, body, model)
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise self._failures.malformed("a compressed answer, which was not asked for")
            return await self._collect(body, patience, limit)

    async def _refusal(self, response: httpx.Response, body: Body, model: str) -> _Refused:
        said = await body.collect()
        error = self._failures.refused(
            status=response.status_code, headers=response.headers, body=said, model=model, now=self._clock.now()
        )
        bad_request = response.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
        return _Refused(error, knows_no_format=bad_request and _RESPONSE_FORMAT in said)

    async def _collect(self, body: Body, patience: Patience, limit: int) -> bytes:
        collected = bytearray()
        try:
            while chunk := await patience.wait(body.read()):
                collected += chunk
                if len(collected) > limit:
                    raise self._failures.refused_image(f"an image of more than {MAX_IMAGE_BYTES} bytes")
        except httpx.HTTPError as error:
            raise self._failures.cut() from error
        return bytes(collected)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    usual = {"http": 80, "https": 443}
    return url.scheme, url.host, url.port or usual.get(url.scheme)
