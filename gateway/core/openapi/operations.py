"""The operations of a method: one for each of its HTTP bindings."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, MethodDescriptor

from gateway.core.dialect import dialect_of, header_of, is_last_piece, rule_of
from gateway.core.http_body import is_http_body
from gateway.core.http_rule import ANY_METHOD, WHOLE, HttpBinding, declared_bindings
from gateway.core.openapi.comments import Comments, first_sentence
from gateway.core.openapi.constraints import constraint_of
from gateway.core.openapi.members import is_always_there
from gateway.core.openapi.parameters import (
    field_name,
    header_parameters,
    path_parameter,
    query_parameters,
    resume_parameter,
)
from gateway.core.openapi.responses import ANY_MEDIA, JSON, ResponseBook
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.security import SecurityBook
from gateway.core.openapi.url_path import UrlPath, bound_fields, url_path
from gateway.core.openapi.wire import FieldPath, Schema, Wire
from gateway.core.twin import twin_of

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})


@dataclass(frozen=True, slots=True)
class Operation:
    """A binding as the document has it: an entry `key` of the path item of `path`."""

    path: UrlPath
    key: str
    method: MethodDescriptor
    binding: HttpBinding
    number: int
    """Place among the bindings of the method, from 1."""

    @property
    def id(self) -> str:
        """Give the full name of the method, numbered from its second binding on."""
        return self.method.full_name if self.number == 1 else f"{self.method.full_name}-{self.number}"


@dataclass(frozen=True, slots=True)
class Books:
    """Where the shared parts of a document are collected while its operations are written."""

    comments: Comments
    schemas: SchemaBook
    responses: ResponseBook
    security: SecurityBook


def operations_of(method: MethodDescriptor) -> Iterator[Operation]:
    """Give the operations of a method, none when it has no HTTP rule.

    Methods that OpenAPI has no entry for become extensions: `x-report`, or `x-any-method` for a rule that takes all.
    """
    wire = Wire.received(dialect_of(method))
    for number, binding in enumerate(declared_bindings(method), 1):
        path = url_path(binding.template, lambda field: field_name(method.input_type, field, wire))
        yield Operation(path, _key(binding.http_method), method, binding, number)


def operation_object(operation: Operation, path: UrlPath, books: Books) -> dict[str, Any]:
    """Write an operation; `path` is its path with the placeholder names that the document has for it."""
    method, binding = operation.method, operation.binding
    dialect, rule = dialect_of(method), rule_of(method)
    service, comment = method.containing_service, books.comments.of(method)
    security = books.security.requirement(service, dialect, rule)
    parameters = _parameters(operation, path, books)
    body = _request_body(operation, books)
    reply = binding.response_body
    responses = books.responses.responses(method, dialect, rule, reply=reply, has_body=body is not None)
    parts = {
        "operationId": operation.id,
        "tags": [service.full_name],
        "summary": first_sentence(comment) or method.name,
        "description": comment or None,
        "deprecated": method.GetOptions().deprecated or None,
        "parameters": parameters or None,
        "requestBody": body,
        "responses": responses,
        "security": security,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _parameters(operation: Operation, path: UrlPath, books: Books) -> list[dict[str, Any]]:
    method, binding = operation.method, operation.binding
    request, wire = method.input_type, Wire.received(dialect_of(method))
    parameters = [path_parameter(each, request, wire, books.schemas) for each in path.placeholders]
    if binding.body != WHOLE:
        bound = bound_fields(binding.template) | ({(binding.body,)} if binding.body else set())
        bound |= {(each.name,) for each in request.fields if is_last_piece(each) or header_of(each)}
        parameters += query_parameters(request, wire, books.schemas, bound)
    parameters += header_parameters(request, books.schemas, wire)
    if method.server_streaming or twin_of(method, rule_of(method)) is not None:
        resume = resume_parameter(request, wire, books.schemas)
        parameters += [resume] if resume else []
    return parameters


def _request_body(operation: Operation, books: Books) -> dict[str, Any] | None:
    method, binding = operation.method, operation.binding
    if not binding.body:
        return None
    request, wire, bound = method.input_type, Wire.received(dialect_of(method)), bound_fields(binding.template)
    if binding.body == WHOLE:
        return _body(request, books.schemas.message_without(request, wire, bound), _needs_some(request, wire, bound))
    described = request.fields_by_name[binding.body]
    below = [path[1:] for path in bound if path[0] == binding.body]
    needed = constraint_of(described).refuses_zero or _needs_some(described.message_type, wire, below)
    return _body(described.message_type, books.schemas.field(described, wire, below), needed)


def _body(carrier: Descriptor | None, schema: Schema, required: bool) -> dict[str, Any]:
    content = {ANY_MEDIA: {}} if is_http_body(carrier) else {JSON: {"schema": schema}}
    return {"required": required, "content": content}


def _needs_some(message: Descriptor | None, wire: Wire, bound: Collection[FieldPath]) -> bool:
    """Say whether the empty message, which an empty body stands for, is refused."""
    if message is None:
        return False
    return any(is_always_there(each, wire) for each in message.fields if (each.name,) not in bound)


def _key(http_method: str) -> str:
    if http_method in _METHODS:
        return http_method.lower()
    return "x-any-method" if http_method == ANY_METHOD else f"x-{http_method.lower()}"
