"""`parley.v1.FileService`."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

from google.api.httpbody_pb2 import HttpBody  # type: ignore[import-untyped]  # ships no stubs
from parley.v1 import file_pb2 as pb
from parley.v1 import file_pb2_grpc

from server.application.files import Files
from server.application.signed_urls import SignedUrls
from server.application.storage import Storage
from server.application.uploads import Uploads
from server.domain.errors import FileNotFound
from server.domain.file import File
from server.domain.ids import FileId, FolderId
from server.domain.limits import Limits
from server.domain.storage import StoredFile
from server.domain.storage_errors import ContentMismatch, RangeNotSatisfiable
from server.rpc.codecs import storage as codec
from server.rpc.codecs.timestamp import timestamp
from server.rpc.interceptors.call import greet, owner, principal

_USUAL_LIFETIME: Final = 900


class FileServicer(file_pb2_grpc.FileServiceServicer):
    """Serves `FileService` with the use cases of files; what each method promises stands in its proto."""

    def __init__(self, files: Files, storage: Storage, uploads: Uploads, urls: SignedUrls, limits: Limits) -> None:
        self._files = files
        self._storage = storage
        self._uploads = uploads
        self._base_url = urls.base_url
        self._limits = limits

    async def CreateFolder(self, request: pb.CreateFolderRequest, _context: Any) -> pb.Folder:
        """A new folder."""
        return codec.encode_folder(await self._storage.create_folder(principal(), request.name, request.parent_id))

    async def UpdateFolder(self, request: pb.UpdateFolderRequest, _context: Any) -> pb.Folder:
        """The folder under its new name."""
        folder = await self._storage.rename_folder(principal(), FolderId(request.folder_id), request.name)
        return codec.encode_folder(folder)

    async def DeleteFolder(self, request: pb.DeleteFolderRequest, _context: Any) -> pb.DeleteFolderResponse:
        """What is gone."""
        gone = await self._storage.delete_folder(
            principal(), FolderId(request.folder_id), is_recursive=request.recursive
        )
        return pb.DeleteFolderResponse(folder_id=gone.id, files_deleted=gone.count)

    async def ListFiles(self, request: pb.ListFilesRequest, _context: Any) -> pb.ListFilesResponse:
        """A page of a folder's contents."""
        page = await self._storage.page(
            owner(), request.folder_id, tag=request.tag, page_size=request.page_size, page_token=request.page_token
        )
        return codec.encode_page(page)

    async def UploadFile(self, request: pb.UploadFileRequest, _context: Any) -> pb.File:
        """The file that was stored."""
        file = await self._uploads.upload(principal(), codec.decode_new_file(request), request.content)
        return codec.encode_file(file)

    async def GenerateUploadUrl(
        self, request: pb.GenerateUploadUrlRequest, _context: Any
    ) -> pb.GenerateUploadUrlResponse:
        """A signed URL for `PutFile`."""
        given = await self._uploads.grant(
            principal(), codec.decode_new_file(request), _lifetime(request.expires_in_seconds)
        )
        return pb.GenerateUploadUrlResponse(
            url=codec.signed_url(self._base_url, codec.UPLOAD_PATH, given.token),
            token=given.token,
            expires_at=timestamp(given.expires_at),
            max_bytes=given.max_bytes,
        )

    async def PutFile(self, requests: AsyncIterator[pb.PutFileRequest], _context: Any) -> pb.File:
        """The file that was stored from a stream."""
        first = await anext(requests)
        return codec.encode_file(await self._uploads.put(first.token, _pieces(first, requests)))

    async def GetFile(self, request: pb.GetFileRequest, _context: Any) -> pb.File:
        """What is known of a file."""
        return codec.encode_file(await self._storage.file(owner(), FileId(request.file_id)))

    async def UpdateFile(self, request: pb.UpdateFileRequest, _context: Any) -> pb.File:
        """The file as it is then."""
        changes = codec.decode_changes(request)
        return codec.encode_file(await self._storage.update_file(principal(), FileId(request.file_id), changes))

    async def DeleteFile(self, request: pb.DeleteFileRequest, _context: Any) -> pb.DeleteFileResponse:
        """What is gone."""
        return pb.DeleteFileResponse(file_id=await self._storage.delete_file(principal(), FileId(request.file_id)))

    async def DownloadFile(self, request: pb.DownloadFileRequest, context: Any) -> AsyncGenerator[HttpBody, None]:
        """The content of a file."""
        file = await self._files.get(owner(), FileId(request.file_id))
        async with aclosing(self._content(file, request, context)) as pieces:
            async for piece in pieces:
                yield piece

    async def GenerateDownloadUrl(
        self, request: pb.GenerateDownloadUrlRequest, _context: Any
    ) -> pb.GenerateDownloadUrlResponse:
        """A signed URL for `FetchFile`."""
        shared = await self._files.share(owner(), FileId(request.file_id), _lifetime(request.expires_in_seconds))
        return pb.GenerateDownloadUrlResponse(
            url=codec.signed_url(self._base_url, codec.DOWNLOAD_PATH, shared.token),
            token=shared.token,
            expires_at=timestamp(shared.expires_at),
        )

    async def FetchFile(self, request: pb.FetchFileRequest, context: Any) -> AsyncGenerator[HttpBody, None]:
        """The content of a shared file."""
        file = await self._files.shared(request.token)
        async with aclosing(self._content(file, request, context)) as pieces:
            async for piece in pieces:
                yield piece

    async def GetStorageQuota(self, _request: pb.GetStorageQuotaRequest, _context: Any) -> pb.StorageQuota:
        """How much there is, and may be."""
        usage = await self._storage.usage(owner())
        return pb.StorageQuota(
            bytes_used=usage.bytes,
            bytes_limit=self._limits.storage_bytes,
            entries_used=usage.entries,
            entries_limit=self._limits.storage_entries,
            max_file_bytes=self._limits.upload_bytes,
        )

    async def _content(
        self, file: File | StoredFile, request: pb.DownloadFileRequest | pb.FetchFileRequest, context: Any
    ) -> AsyncGenerator[HttpBody, None]:
        """The pieces of a content, or of the part that is asked for, the first with its type."""
        try:
            part = codec.decode_range(request, file)
        except RangeNotSatisfiable:
            await greet(context, ("content-range", f"bytes */{file.size}"))
            raise
        await greet(context, *codec.content_headers(file, part))
        content_type = file.media_type
        if not file.size:
            yield HttpBody(content_type=content_type)
        start, end = (0, file.size) if part is None else (part.start, part.end)
        missing = end - start
        async with aclosing(self._files.content(file, start, end)) as pieces:
            async for piece in pieces:
                yield HttpBody(content_type=content_type, data=piece)
                content_type = ""
                missing -= len(piece)
        if missing:  # it went while it was read
            raise FileNotFound(file.id)


async def _pieces(first: pb.PutFileRequest, rest: AsyncIterator[pb.PutFileRequest]) -> AsyncGenerator[bytes, None]:
    yield first.content.data
    is_whole = first.last
    async for each in rest:
        yield each.content.data
        is_whole = each.last
    if not is_whole:  # broken off: gRPC ends a stream then as it does otherwise
        raise ContentMismatch("end")


def _lifetime(seconds: int) -> timedelta:
    return timedelta(seconds=seconds or _USUAL_LIFETIME)
