"""The JSON of an images request and of its reply. No I/O."""

import asyncio
import base64
import binascii
from typing import Any, Final, NamedTuple

import orjson

from server.adapters.provider.failures import Failures
from server.domain.image import MAX_IMAGE_BYTES, image_type
from server.ports.provider import Image, ImageRequest

# They send their images inline anyway and refuse to be asked for it.
_ALWAYS_INLINE: Final = ("gpt-image", "chatgpt-image")


class ImageReply(NamedTuple):
    """Where the image is: its bytes, or the URL to get them from."""

    content: bytes
    url: str | None


def request_body(request: ImageRequest, *, inline: bool) -> bytes:
    """UTF-8 JSON that asks for one image, inline where the model takes such a wish."""
    body: dict[str, Any] = {"model": request.model, "prompt": request.prompt, "n": 1}
    if inline and not request.model.rpartition("/")[2].startswith(_ALWAYS_INLINE):
        body["response_format"] = "b64_json"
    return orjson.dumps(body)


async def read_reply(body: bytes, model: str, failures: Failures) -> ImageReply:
    """Read the reply; its megabytes of base 64 are read beside the loop. Raises `ProviderError`."""
    return await asyncio.to_thread(_read, body, model, failures)


def checked(content: bytes, failures: Failures) -> Image:
    """The image, if it is one of a kind that is taken and not too large. Raises `ProviderError`."""
    if len(content) > MAX_IMAGE_BYTES:
        raise failures.refused_image(f"an image of more than {MAX_IMAGE_BYTES} bytes")
    media_type = image_type(content)
    if media_type is None:
        raise failures.refused_image("something that is neither PNG, JPEG, WebP nor GIF")
    return Image(content, media_type)


def _read(body: bytes, model: str, failures: Failures) -> ImageReply:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise failures.malformed("a reply that is not JSON") from None
    if isinstance(reply, dict) and reply.get("error"):
        raise failures.reported(reply["error"], model)
    try:
        image = reply["data"][0]
        inline, url = image.get("b64_json"), image.get("url")
    except (AttributeError, LookupError, TypeError):
        raise failures.malformed("a reply without an image") from None
    if isinstance(inline, str) and inline:
        return ImageReply(_decoded(inline, failures), None)
    if isinstance(url, str) and url:
        return ImageReply(b"", url)
    raise failures.malformed("a reply without an image")


def _decoded(text: str, failures: Failures) -> bytes:
    # Some servers send a data URL where plain base 64 is expected.
    _, comma, rest = text.partition(",") if text.startswith("data:") else ("", "", "")
    try:
        return base64.b64decode(rest if comma else text, validate=True)
    except (binascii.Error, ValueError):
        raise failures.malformed("an image that is not base 64") from None
