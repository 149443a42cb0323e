"""What stands in the way of exporting, erasing or keeping data."""

from server.domain.errors import NotFound, ParleyError


class UserBeingErased(ParleyError):
    """The user's data is being erased; until that is done the user can do nothing."""

    reason = "USER_BEING_ERASED"

    def __init__(self) -> None:
        super().__init__("the user's data is being erased")


class ConfirmationMissing(ParleyError):
    """The request does not repeat the name of the user that it would erase."""

    reason = "CONFIRMATION_MISSING"

    def __init__(self) -> None:
        super().__init__("confirm_user has to repeat the name of the user who is to be erased")


class ErasureNotFound(NotFound):
    """The tenant has no erasure of that id."""

    reason = "ERASURE_NOT_FOUND"

    def __init__(self, erasure: str) -> None:
        super().__init__(f"no erasure {erasure!r}", metadata={"id": erasure})


class InvalidExportCursor(ParleyError):
    """The cursor was not made by this service for an export of this user's data."""

    reason = "INVALID_EXPORT_CURSOR"

    def __init__(self) -> None:
        super().__init__("the cursor was not made for an export of this user's data")


class CursorExpired(ParleyError):
    """Events behind the cursor are not kept any more."""

    reason = "CURSOR_EXPIRED"

    def __init__(self, *, cursor: int, first: int) -> None:
        super().__init__(
            f"events behind {cursor} are not kept any more; the first that is kept is {first}",
            metadata={"first_sequence": str(first)},
        )
