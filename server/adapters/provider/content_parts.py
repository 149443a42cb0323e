"""What a message says and brings along, as the `content` of a chat completion."""

from typing import Any, Final

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


def _part(attachment: Attachment, data: str) -> dict[str, Any]:
    media_type = attachment.media_type
    url = f"data:{media_type};base64,{data}"
    match kind_of(media_type):
        case AttachmentKind.IMAGE:
            return {"type": "image_url", "image_url": {"url": url}}
        case AttachmentKind.AUDIO:
            return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS[media_type]}}
        case _:
            return {"type": "file", "file": {"filename": plain_name(attachment.name), "file_data": url}}
