"""The pages for people and tools: the OpenAPI document, and a console that shows it and tries it out.

Both are ASGI handlers for the `extra` pages of the application; either can be left out.
"""

import asyncio
from collections.abc import Callable, Sequence

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.core.openapi import Info, build_document, rendered
from gateway.edge.asgi import AsgiHandler, Receive, Scope, Send
from gateway.edge.console.content import Content
from gateway.edge.console.page import console_page

__all__ = ["DOCS_PATH", "DOCUMENT_PATH", "console_pages"]

DOCUMENT_PATH = "/openapi.json"
DOCS_PATH = "/docs"
_JSON = b"application/json"


def console_pages(
    *,
    pool: DescriptorPool,
    services: Sequence[str],
    files: FileDescriptorSet | None = None,
    info: Info | None = None,
    has_docs: bool = True,
) -> dict[str, AsgiHandler]:
    """Give the pages by path: the document of `services` (full names) of `pool`, and with `has_docs` the console.

    `files` gives the comments, when it was made with source info; without it the document only lacks them. The document
    is built on the first request for it, off the loop, and kept.
    """

    def document() -> Content:
        described = build_document([pool.FindServiceByName(name) for name in services], files=files, info=info)
        return Content.of(rendered(described), _JSON)

    pages: dict[str, AsgiHandler] = {DOCUMENT_PATH: _LazyPage(document)}
    return pages | {DOCS_PATH: _LazyPage(console_page)} if has_docs else pages


class _LazyPage:
    """An ASGI handler whose content is made when it is asked for first; who asks meanwhile waits for the same."""

    def __init__(self, make: Callable[[], Content]) -> None:
        self._make = make
        self._made: Content | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        content = self._made or await self._content()
        await content.answer(scope, send)

    async def _content(self) -> Content:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
            return self._made
