"""What counts as an image: how large it may be, and how its kind is known."""

from typing import Final

MAX_IMAGE_BYTES: Final = 10 * 1024 * 1024

_WEBP: Final = slice(8, 12)
_MAGIC: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_EXTENSIONS: Final = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}


def image_type(content: bytes) -> str | None:
    """The media type that an image's first bytes show: PNG, JPEG, GIF or WebP; `None` for everything else, whatever
    somebody calls it. SVG is none of them on purpose: it can carry scripts."""
    if content.startswith(b"RIFF") and content[_WEBP] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _MAGIC.items() if content.startswith(magic)), None)


def image_name(media_type: str) -> str:
    """The file name under which an image of that type is offered."""
    return f"image.{_EXTENSIONS[media_type]}"
