"""Why a user's file or folder cannot be had or kept."""

from server.domain.errors import NotFound, ParleyError


class FolderNotFound(NotFound):
    """The caller has no folder of that id."""

    reason = "FOLDER_NOT_FOUND"

    def __init__(self, folder: str) -> None:
        super().__init__(f"no folder {folder!r}", metadata={"id": folder})


class FileNameTaken(ParleyError):
    """The folder already has a file or folder whose name looks the same."""

    reason = "FILE_NAME_TAKEN"

    def __init__(self, name: str) -> None:
        super().__init__(f"the folder already has {name!r}, or a name that looks the same", metadata={"name": name})


class FolderNotEmpty(ParleyError):
    """The folder has something in it, and nobody said that it shall go as well."""

    reason = "FOLDER_NOT_EMPTY"

    def __init__(self) -> None:
        super().__init__("the folder is not empty; say recursive to delete everything in it")


class FolderTooDeep(ParleyError):
    """The folder would lie in too many others."""

    reason = "FOLDER_TOO_DEEP"

    def __init__(self, deepest: int) -> None:
        super().__init__(f"folders lie in each other at most {deepest} deep")


class StorageFull(ParleyError):
    """The user would keep more than the operator allows; something has to be deleted first."""

    reason = "STORAGE_FULL"

    def __init__(self, *, what: str, limit: int) -> None:
        super().__init__(
            f"you may keep {limit} {what} in all; delete something first", metadata={"what": what, "limit": str(limit)}
        )


class FileTooLarge(ParleyError):
    """The content is larger than one file may be."""

    reason = "FILE_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the content has more than the {limit} bytes that it may have", metadata={"limit": str(limit)}
        )


class ContentMismatch(ParleyError):
    """The content is not the one that was announced: another size, or another checksum."""

    reason = "CONTENT_MISMATCH"

    def __init__(self, what: str) -> None:
        super().__init__(f"the content's {what} is not the one announced; nothing was stored", metadata={"what": what})


class MediaTypeMismatch(ParleyError):
    """The first bytes of the content show that it is not of the declared type."""

    reason = "MEDIA_TYPE_MISMATCH"

    def __init__(self, declared: str, shown: str) -> None:
        super().__init__(
            f"declared as {declared}, but the content shows {shown}", metadata={"declared": declared, "shown": shown}
        )


class RangeNotSatisfiable(ParleyError):
    """The content has no byte of the range that is asked for."""

    reason = "RANGE_NOT_SATISFIABLE"

    def __init__(self, size: int) -> None:
        super().__init__(f"the content has {size} bytes, and none of that range", metadata={"size": str(size)})
        self.size = size


class SignedUrlInvalid(ParleyError):
    """The URL was not signed here, is over, was used, or what it stands for is gone; which is nobody's business."""

    reason = "SIGNED_URL_INVALID"

    def __init__(self) -> None:
        super().__init__("the URL is not valid (any more); ask for a new one")


class TooManyUploads(ParleyError):
    """As many contents of the user are on their way in as may be at once; the URL stays good."""

    reason = "TOO_MANY_UPLOADS"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} uploads are under way; send again when one of them has ended", metadata={"most": str(most)}
        )
