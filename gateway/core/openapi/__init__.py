"""OpenAPI 3.1 documents made from descriptors: paths, parameters, bodies, replies, streams, errors and credentials."""

from gateway.core.openapi.document import DuplicateOperation, Info, RenderedDocument, build_document

__all__ = ["DuplicateOperation", "Info", "RenderedDocument", "build_document"]
