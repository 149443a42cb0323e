"""The OpenAPI 3.1 document of all annotated routes of some services, from their descriptors alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.core.openapi.comments import Comments
from gateway.core.openapi.operations import Books, Operation, operation_object, operations_of
from gateway.core.openapi.responses import ResponseBook
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.security import SecurityBook

_DESCRIPTION = """\
Field names of requests may also be written as in the protos (`page_size` for `pageSize`), enum values by their proto \
names or numbers, and 64-bit integers as strings or numbers. Programs should expect new members in replies.

Every method is also served as `POST /<package.Service>/<Method>` with its request message as JSON.\
"""


@dataclass(frozen=True, slots=True)
class Info:
    """What the document says about the whole API."""

    title: str = "API"
    version: str = "1"
    description: str = _DESCRIPTION


class DuplicateOperation(ValueError):
    """Two bindings are the same operation of the document; the text names both."""


def build_document(
    services: Iterable[ServiceDescriptor], *, files: FileDescriptorSet | None = None, info: Info | None = None
) -> dict[str, Any]:
    """Describe every HTTP binding of the services, in their order.

    `files` gives the comments, when it was made with source info. RuleError on a binding that cannot be served,
    DuplicateOperation on two that cannot be told apart.
    """
    comments = Comments(files)
    schemas = SchemaBook(comments)
    books = Books(comments, schemas, ResponseBook(schemas), SecurityBook())
    tags, paths = [], _Paths(books)
    for service in services:
        operations = [operation for method in service.methods for operation in operations_of(method)]
        for operation in operations:
            paths.add(operation)
        if operations:
            comment = comments.of(service)
            tags.append({"name": service.full_name, **({"description": comment} if comment else {})})
    about = info or Info()
    document = {
        "openapi": "3.1.0",
        "info": {"title": about.title, "version": about.version, "description": about.description},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths.items,
        "components": {"responses": books.responses.kept, "securitySchemes": books.security.schemes},
    }
    return schemas.resolved(document)


@dataclass(slots=True)
class _Paths:
    """The path items; operations whose paths differ in placeholder names only are one item, as OpenAPI demands."""

    books: Books
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    _first: dict[str, Operation] = field(default_factory=dict)

    def add(self, operation: Operation) -> None:
        path = operation.path.named_as(self._first.setdefault(operation.path.shape, operation).path)
        item = self.items.setdefault(str(path), {})
        if operation.key in item:
            other = item[operation.key]["operationId"]
            raise DuplicateOperation(f"{operation.id} and {other} are both {operation.key.upper()} {path}")
        item[operation.key] = operation_object(operation, path, self.books)


def rendered(document: dict[str, Any]) -> bytes:
    """Give a document as it goes over the wire; the same document gives the same bytes."""
    return orjson.dumps(document)
