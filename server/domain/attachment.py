"""A file that a user's message brings along, and which kinds of files models take. Pure.

A text becomes part of the prompt, so that every model takes it; everything else goes to models that are said to take
it. A message keeps what is known of its files, never their contents, also when the files are gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from server.domain.ids import FileId
from server.domain.media_type import is_textual


class AttachmentKind(StrEnum):
    """How a file is shown to a model; the words by which a configuration says what a model takes."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    PDF = "pdf"


TYPES: Final[Mapping[AttachmentKind, tuple[str, ...]]] = {
    AttachmentKind.IMAGE: ("image/png", "image/jpeg", "image/gif", "image/webp"),
    AttachmentKind.AUDIO: ("audio/wav", "audio/mpeg"),
    AttachmentKind.PDF: ("application/pdf",),
}
"""The media types of each kind whose content is sent as it is."""
_OTHER_NAMES: Final = {"audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/vnd.wave": "audio/wav"}
_KINDS: Final = {media_type: kind for kind, types in TYPES.items() for media_type in types}


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file as the message keeps it; name and type are those of the moment in which the message was sent."""

    file_id: FileId
    name: str
    media_type: str
    size: int
    """Bytes of its content."""
    sha256: str
    """Hex digest of its content."""
    tokens: int
    """What its content takes of a model's context, estimated; of a text, its frame included."""
    is_deleted: bool = False
    """Whether the file was gone when the message was shown; never stored."""

    @property
    def is_text(self) -> bool:
        """Whether its content becomes part of the prompt."""
        return kind_of(self.media_type) is AttachmentKind.TEXT


@dataclass(frozen=True, slots=True)
class AttachmentLimits:
    """How much messages may bring along."""

    count: int = 10
    """Files of one message."""
    file_bytes: int = 10 * 1024**2
    """Bytes of one file."""
    message_bytes: int = 20 * 1024**2
    """Bytes of all files of one message."""
    text_bytes: int = 1024**2
    """Bytes of all text files of one message."""
    request_bytes: int = 20 * 1024**2
    """Bytes of all files of one model request, at least `message_bytes`; older ones are left out."""
    process_bytes: int = 200 * 1024**2
    """Bytes of files that all requests of a process hold at a time; a further request waits."""


USUAL_LIMITS: Final = AttachmentLimits()


@dataclass(frozen=True, slots=True)
class AcceptedTypes:
    """What a model takes besides text: media types as `usual_type` calls them."""

    types: frozenset[str] = frozenset()

    def take(self, media_type: str) -> bool:
        """Whether a file of that type can be shown to the model."""
        usual = usual_type(media_type)
        return usual in self.types or kind_of(usual) is AttachmentKind.TEXT


TEXT_ALONE: Final = AcceptedTypes()
"""What a model takes of which nobody says anything."""
EVERYTHING: Final = AcceptedTypes(frozenset(_KINDS))


def usual_type(media_type: str) -> str:
    """The name of a type of which there are several."""
    return _OTHER_NAMES.get(media_type, media_type)


def kind_of(media_type: str) -> AttachmentKind | None:
    """How a file of that type is shown; `None`: no model can be shown it."""
    kind = _KINDS.get(usual_type(media_type))
    return AttachmentKind.TEXT if kind is None and is_textual(media_type) else kind


def accepted_types(words: Iterable[str]) -> AcceptedTypes:
    """What a model takes, from kinds (`image`) and media types (`image/png`). Raises `ValueError` with the word that is
    neither."""
    found: set[str] = set()
    for word in words:
        if word in _KINDS:
            found.add(word)
        elif word in TYPES:
            found.update(TYPES[AttachmentKind(word)])
        elif word != AttachmentKind.TEXT:
            raise ValueError(word)
    return AcceptedTypes(frozenset(found))
