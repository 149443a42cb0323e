"""Files and folders of `parley.v1`, and the headers of a download."""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from google.api import annotations_pb2  # type: ignore[import-untyped]  # ships no stubs
from parley.v1 import file_pb2 as pb

from server.application.paging import Page
from server.application.storage import Entry, FileChanges
from server.application.uploads import NewFile
from server.domain.byte_range import ByteRange, asked_range
from server.domain.file import File
from server.domain.storage import Folder, StoredFile
from server.rpc.codecs.timestamp import timestamp

_HOLE: Final = "{token}"
_METHODS: Final = pb.DESCRIPTOR.services_by_name["FileService"].methods_by_name
UPLOAD_PATH: Final[str] = _METHODS["PutFile"].GetOptions().Extensions[annotations_pb2.http].put
DOWNLOAD_PATH: Final[str] = _METHODS["FetchFile"].GetOptions().Extensions[annotations_pb2.http].get


def decode_new_file(request: pb.UploadFileRequest | pb.GenerateUploadUrlRequest) -> NewFile:
    """What is said of a file that shall be stored."""
    size = None
    if isinstance(request, pb.GenerateUploadUrlRequest) and request.HasField("size"):
        size = request.size
    return NewFile(
        name=request.name,
        folder_id=request.folder_id,
        media_type=request.media_type,
        size=size,
        sha256=request.sha256,
        tags=tuple(request.tags),
    )


def decode_changes(request: pb.UpdateFileRequest) -> FileChanges:
    """What is to change of a file."""
    return FileChanges(
        name=request.name if request.HasField("name") else None,
        folder_id=request.folder_id if request.HasField("folder_id") else None,
        tags=tuple(request.tags.tags) if request.HasField("tags") else None,
    )


def encode_folder(folder: Folder) -> pb.Folder:
    """A folder."""
    return pb.Folder(
        folder_id=folder.id,
        parent_id=folder.parent_id or "",
        name=folder.name,
        created_at=timestamp(folder.created_at),
    )


def encode_file(file: StoredFile) -> pb.File:
    """A file."""
    return pb.File(
        file_id=file.id,
        folder_id=file.folder_id or "",
        name=file.name,
        media_type=file.media_type,
        size=file.size,
        sha256=file.sha256,
        tags=file.tags,
        created_at=timestamp(file.created_at),
        updated_at=timestamp(file.updated_at),
    )


def encode_page(page: Page[Entry]) -> pb.ListFilesResponse:
    """A page of a folder's contents."""
    return pb.ListFilesResponse(
        folders=_encoded_folders(page.items),
        files=[encode_file(entry) for entry in page.items if isinstance(entry, StoredFile)],
        next_page_token=page.next_token or "",
    )


def signed_url(base_url: str, path: str, token: str) -> str:
    """The URL of a route whose template ends with a token."""
    return base_url + path.replace(_HOLE, token)


def decode_range(request: pb.DownloadFileRequest | pb.FetchFileRequest, file: File | StoredFile) -> ByteRange | None:
    """The part of a file that is asked for; `None`: all of it. Raises `RangeNotSatisfiable`."""
    if request.if_range and request.if_range != _etag(file):
        return None
    return asked_range(request.range, file.size) if request.range else None


def content_headers(file: File | StoredFile, part: ByteRange | None) -> Iterator[tuple[str, str]]:
    """What initial metadata says of a content, or a part of one, that follows."""
    # Inline is only what models drew: images, and of kinds that carry no scripts.
    inline = f'inline; filename="{file.name}"'
    yield "content-disposition", attachment(file.name) if isinstance(file, StoredFile) else inline
    yield "accept-ranges", "bytes"
    yield "etag", _etag(file)
    if part is None:
        yield "body-length", str(file.size)
    else:
        yield "body-length", str(part.end - part.start)
        yield "content-range", part.content_range


def attachment(name: str) -> str:
    """The `Content-Disposition` that saves a content under a name (RFC 6266): in full for whoever reads UTF-8, and
    with other characters than plain ones replaced for everybody else."""
    plain = "".join(character if _is_plain(character) else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _etag(file: File | StoredFile) -> str:
    """Strong: the content of a file never changes."""
    return f'"{file.sha256}"'


def _is_plain(character: str) -> bool:
    return character.isascii() and character.isprintable() and character not in '"\\%'


def _encoded_folders(entries: Iterable[Entry]) -> list[pb.Folder]:
    return [encode_folder(entry) for entry in entries if isinstance(entry, Folder)]
