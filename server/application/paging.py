"""Pages of lists that are sorted by time and id, and the opaque tokens that continue them."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from server.domain.errors import InvalidPageToken
from server.ports.store import ListPosition

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, and what to ask for to get the next ones; `None` on the last page."""

    items: list[Item]
    next_token: str | None


def list_token(kind: str, position: ListPosition) -> str:
    """The token of the page behind `position` in lists of that kind."""
    return _token(kind, [position.time.isoformat(), position.id])


def list_position(kind: str, token: str) -> ListPosition | None:
    """Where the page before ended; `None` for the first page. Raises `InvalidPageToken`."""
    if not token:
        return None
    time, identity = _parts(kind, token, 2)
    try:
        str(identity).encode()  # half of a surrogate pair, which JSON can hold, is no text
        return ListPosition(time=datetime.fromisoformat(str(time)).astimezone(UTC), id=str(identity))
    except (ValueError, OverflowError) as error:
        raise InvalidPageToken from error


def number_token(kind: str, number: int) -> str:
    """The token of the page behind a number in lists of that kind."""
    return numbers_token(kind, number)


def number_position(kind: str, token: str) -> int:
    """The number behind which the page begins; 0 for the first page. Raises `InvalidPageToken`."""
    if not token:
        return 0
    (number,) = numbers_position(kind, token, 1)
    return number


def numbers_token(kind: str, *numbers: int) -> str:
    """The token of the page behind several numbers in lists of that kind."""
    return _token(kind, list(numbers))


def numbers_position(kind: str, token: str, count: int) -> list[int]:
    """The numbers behind which the page begins. Raises `InvalidPageToken`."""
    return [_number(part) for part in _parts(kind, token, count)]


def parts_token(kind: str, *parts: object) -> str:
    """The token of the page behind these values, which JSON can hold, in lists of that kind."""
    return _token(kind, list(parts))


def parts_position(kind: str, token: str, count: int) -> list[object]:
    """The values of such a token, of whatever type: it may be anybody's. Raises `InvalidPageToken`."""
    return _parts(kind, token, count)


def texts_token(kind: str, *texts: str) -> str:
    """The token of the page behind several texts in lists of that kind."""
    return _token(kind, list(texts))


def texts_position(kind: str, token: str, count: int) -> list[str]:
    """The texts behind which the page begins. Raises `InvalidPageToken`."""
    texts = [str(part) for part in _parts(kind, token, count)]
    try:
        "".join(texts).encode()  # half of a surrogate pair, which JSON can hold, is no text
    except UnicodeEncodeError as error:
        raise InvalidPageToken from error
    if any("\0" in text for text in texts):
        raise InvalidPageToken
    return texts


def cut(found: Sequence[Item], size: int | None, token_of: Callable[[Item], str]) -> Page[Item]:
    """The page of at most `size` items out of up to `size + 1` that were asked of the store."""
    if size is None or len(found) <= size:
        return Page(list(found), None)
    return Page(list(found[:size]), token_of(found[size - 1]))


def _token(kind: str, parts: list[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps([kind, *parts]).encode()).decode().rstrip("=")


def _number(part: object) -> int:
    if type(part) is not int or not 0 <= part < 2**31:
        raise InvalidPageToken
    return part


def _parts(kind: str, token: str, count: int) -> list[object]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise InvalidPageToken from error
    if not isinstance(found, list) or len(found) != count + 1 or found[0] != kind:
        raise InvalidPageToken
    return found[1:]
