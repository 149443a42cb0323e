"""OpenAPI 3.1 documents made from descriptors: paths, parameters, bodies, replies, streams, errors and credentials."""

from gateway.core.openapi.document import DuplicateOperation, Info, build_document, rendered

__all__ = ["DuplicateOperation", "Info", "build_document", "rendered"]
