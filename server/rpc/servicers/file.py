"""`parley.v1.FileService`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from google.api.httpbody_pb2 import HttpBody  # type: ignore[import-untyped]  # ships no stubs
from parley.v1 import file_pb2 as pb
from parley.v1 import file_pb2_grpc

from server.application.files import Files
from server.domain.ids import FileId
from server.rpc.interceptors.call import greet, owner

_DISPOSITION: Final = "content-disposition"


class FileServicer(file_pb2_grpc.FileServiceServicer):
    """Serves `FileService` with the use cases of files; what each method promises stands in its proto."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def DownloadFile(self, request: pb.DownloadFileRequest, context: Any) -> AsyncGenerator[HttpBody, None]:
        """The content of a file, the first piece with its type."""
        file = await self._files.get(owner(), FileId(request.file_id))
        # Inline: only images are kept, and of kinds that carry no scripts.
        await greet(context, (_DISPOSITION, f'inline; filename="{file.name}"'))
        content_type = file.media_type
        async with aclosing(self._files.content(file)) as pieces:
            async for piece in pieces:
                yield HttpBody(content_type=content_type, data=piece)
                content_type = ""
