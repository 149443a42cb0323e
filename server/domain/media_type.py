"""What a content is, by its first bytes; what somebody calls it counts only where the bytes do not contradict."""

import codecs
import re
from typing import Final

from server.domain.errors import FieldViolation, InvalidField
from server.domain.image import image_type
from server.domain.storage_errors import MediaTypeMismatch

PREFIX_BYTES: Final = 4096
"""How much of a content's beginning `judged_type` wants to see."""
BINARY: Final = "application/octet-stream"
PLAIN: Final = "text/plain"
_ZIP: Final = "application/zip"

_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),  # a frame of MPEG-1 or -2, layer III, without tags in front
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-msdownload"),
)
_WAVE: Final = (b"RIFF", slice(8, 12), b"WAVE")
_BRAND: Final = (slice(4, 8), b"ftyp")
# What is packed in one of these is called by a name of its own.
_REFINEMENTS: Final = {
    _ZIP: re.compile(
        r"application/(?:vnd\.openxmlformats-officedocument\..+|vnd\.oasis\.opendocument\..+|epub\+zip"
        r"|java-archive|x-zip-compressed)"
    ),
    "application/gzip": re.compile(r"application/x-(?:gzip|tgz|gtar)"),
    "audio/ogg": re.compile(r"(?:video|application)/ogg|audio/opus"),
    "video/mp4": re.compile(r"(?:audio/(?:mp4|x-m4a|aac)|video/quicktime|image/(?:heic|heif|avif))"),
    "video/webm": re.compile(r"(?:audio/webm|(?:video|audio)/x-matroska)"),
    "audio/wav": re.compile(r"audio/(?:x-wav|wave|vnd\.wave)"),
    "application/x-msdownload": re.compile(r"application/(?:vnd\.microsoft\.portable-executable|x-dosexec)"),
}
_KNOWN: Final = frozenset(
    {
        *(media_type for _, media_type in _MAGIC),
        *("image/png", "image/jpeg", "image/gif", "image/webp", "audio/wav", "video/mp4"),
    }
)
_TEXTUAL: Final = re.compile(r"text/.+|application/(?:.+\+)?(?:json|xml|yaml|toml|javascript|sql)|image/svg\+xml")
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_TEXT_CONTROLS: Final = frozenset(range(32)) - {*b"\t\n\r\f\x1b"}


def declared_type(text: str) -> str:
    """A media type as somebody declares it: lower case, without parameters; empty for none, and for the one that says
    nothing. Raises `InvalidField`."""
    bare = text.partition(";")[0].strip().lower()
    if bare and not _TYPE.fullmatch(bare):
        raise InvalidField([FieldViolation("media_type", "must be a media type such as text/plain")])
    return "" if bare == BINARY else bare


def is_textual(media_type: str) -> bool:
    """Whether contents of that type are texts."""
    return _TEXTUAL.fullmatch(media_type) is not None


def judged_type(prefix: bytes, declared: str) -> str:
    """The media type of a content, from its first `PREFIX_BYTES` (all of it if it is shorter) and what
    `declared_type` made of the sender's word. Raises `MediaTypeMismatch` where the bytes show something else."""
    shown = _shown(prefix)
    if not declared or declared == shown:
        return shown or (PLAIN if _is_text(prefix) else BINARY)
    if shown is None:
        if declared in _KNOWN or (_TEXTUAL.fullmatch(declared) and not _is_text(prefix)):
            raise MediaTypeMismatch(declared, BINARY)
        return declared
    finer = _REFINEMENTS.get(shown)
    if finer is None or not finer.fullmatch(declared):
        raise MediaTypeMismatch(declared, shown)
    return declared


def _shown(prefix: bytes) -> str | None:
    image = image_type(prefix)
    if image is not None:
        return image
    start, place, word = _WAVE
    if prefix.startswith(start) and prefix[place] == word:
        return "audio/wav"
    if prefix[_BRAND[0]] == _BRAND[1]:
        return "video/mp4"
    return next((media_type for magic, media_type in _MAGIC if prefix.startswith(magic)), None)


def _is_text(prefix: bytes) -> bool:
    if not _TEXT_CONTROLS.isdisjoint(prefix):
        return False
    try:
        # A character that is cut in two at the end of the prefix is no fault.
        codecs.getincrementaldecoder("utf-8")().decode(prefix, final=len(prefix) < PREFIX_BYTES)
    except UnicodeDecodeError:
        return False
    return True
