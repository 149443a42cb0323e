"""What goes wrong with a request to the storage, and whether it may pass by itself."""

from typing import Final

_PASSING_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_CODES: Final = frozenset(
    {"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "Throttling"}
)
_NOT_FOUND: Final = 404
_ABSENCES: Final = frozenset({"", "NoSuchKey", "NoSuchUpload"})
"""Without a code: behind HEAD, whose answers have no body."""


class S3Failure(Exception):
    """A request was refused, or not answered. The text says how in a few words; it shows no secret and no content."""

    def __init__(self, text: str, *, status: int = 0, code: str = "") -> None:
        """`status` is 0 and `code` empty without an answer."""
        super().__init__(text)
        self.status = status
        self.code = code

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed in a moment."""
        return not self.status or self.status in _PASSING_STATUSES or self.code in _PASSING_CODES

    @property
    def is_absence(self) -> bool:
        """Whether it says that there is no such object or upload."""
        return self.status == _NOT_FOUND and self.code in _ABSENCES


def refusal(status: int, code: str) -> S3Failure:
    """The failure that an answer tells of; `code` may be empty, as behind HEAD."""
    return S3Failure(f"answered {status} {code}".rstrip(), status=status, code=code)
