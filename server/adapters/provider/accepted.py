"""What a configuration says of the files that models take besides text."""

from collections.abc import Iterable
from typing import Final

from server.adapters.provider.provider_config import ConfigurationError
from server.adapters.provider.toml_table import TomlTable
from server.domain.attachment import TYPES, AcceptedTypes, AttachmentKind, accepted_types

_KEY: Final = "accepts"


def read_accepted(table: TomlTable) -> AcceptedTypes | None:
    """The types of the array `accepts`, which may be empty; `None`: the table says nothing. Raises
    `ConfigurationError`."""
    words = table.words(_KEY)
    return None if words is None else accepted_words(words, table.key(_KEY))


def accepted_words(words: Iterable[str], key: str) -> AcceptedTypes:
    """The types that words stand for: kinds such as `image`, or media types. Raises `ConfigurationError` naming `key`
    and what there is."""
    try:
        return accepted_types(words)
    except ValueError as error:
        known = [*AttachmentKind, *(media_type for types in TYPES.values() for media_type in types)]
        raise ConfigurationError(f"{key}: {str(error)!r} is none of {', '.join(known)}") from None
