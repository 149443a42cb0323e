"""What a message says and brings along, as the `content` of a chat completion."""

from typing import Any, Final

import orjson

from server.domain.attachment import Attachment, AttachmentKind, kind_of
from server.domain.context import PromptMessage
from server.domain.enclosure import plain_name

_AUDIO_FORMATS: Final = {"audio/wav": "wav", "audio/mpeg": "mp3"}
_JOINT: Final = "\n\n"


def content_of(message: PromptMessage) -> str | list[dict[str, Any]]:
    """The words, followed by the files in their order. One text where nothing else is sent, for many servers take no
    other; else parts, of which the first is a text."""
    enclosures = message.enclosures
    if not enclosures:
        return message.content
    if not any(each.data for each in enclosures):
        return _JOINT.join([message.content, *(each.text for each in enclosures)])
    parts = [_text(message.content)]
    parts += [_part(each.attachment, each.data) if each.data else _text(each.text) for each in enclosures]
    return parts


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _part(attachment: Attachment, data: bytes) -> dict[str, Any]:
    """A content as its kind is sent. Base 64 is JSON as it stands: megabytes of it are copied, not looked at."""
    media_type = attachment.media_type
    url = orjson.Fragment(b"".join((b'"data:', media_type.encode(), b";base64,", data, b'"')))
    match kind_of(media_type):
        case AttachmentKind.IMAGE:
            return {"type": "image_url", "image_url": {"url": url}}
        case AttachmentKind.AUDIO:
            audio = {"data": orjson.Fragment(b'"%b"' % data), "format": _AUDIO_FORMATS[media_type]}
            return {"type": "input_audio", "input_audio": audio}
        case _:
            return {"type": "file", "file": {"filename": plain_name(attachment.name), "file_data": url}}
