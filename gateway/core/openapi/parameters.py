"""The parameters of an operation: variables of its path, fields in its query, and the header that resumes a stream."""

from collections.abc import Collection, Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.core.dialect import header_of, is_cursor
from gateway.core.http_body import is_http_body
from gateway.core.openapi.members import is_always_there, is_map, is_message, message_of
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.url_path import Placeholder
from gateway.core.openapi.well_known import has_query_text, well_known_form
from gateway.core.openapi.wire import FieldPath, Schema, Wire

Parameter = dict[str, Any]


def path_parameter(placeholder: Placeholder, request: Descriptor, wire: Wire, book: SchemaBook) -> Parameter:
    """Give the parameter of one placeholder of a path; its value is one segment unless the variable has many."""
    schema: Schema = {"type": "string"}
    texts: list[str] = []
    if placeholder.field is not None:
        described = field_at(request, placeholder.field)
        whole = book.field(described, wire)
        texts.append(whole.pop("description", ""))
        spelt = field_name(request, placeholder.field, wire)
        if placeholder.pattern is not None:
            texts.append(f"A part of `{spelt}`, the whole of which is `{placeholder.pattern}`.")
        else:
            schema = whole
            texts += [f"Sets `{spelt}`."] if placeholder.name != spelt else []
    if placeholder.takes_many:
        texts.append("May consist of several segments: slashes stand in it as they are.")
    elif schema.get("type") == "string" and not {"minLength", "enum", "const", "format"} & schema.keys():
        schema = {**schema, "minLength": 1}  # an empty segment matches no route
    parameter = _parameter(placeholder.name, "path", schema, texts, required=True)
    return {**parameter, "x-multi-segment": True} if placeholder.takes_many else parameter


def query_parameters(
    request: Descriptor, wire: Wire, book: SchemaBook, bound: Collection[FieldPath]
) -> Iterator[Parameter]:
    """Give a parameter for each field that neither path nor body binds and that can be written as text.

    Fields of nested messages are `a.b`. Maps, lists of messages and free-form values have no form in a query.
    """
    for path in _text_fields(request, wire, bound):
        schema = book.field(path[-1], wire)
        text = schema.pop("description", "")
        name = ".".join(wire.name(each) for each in path)
        required = all(is_always_there(each, wire) for each in path)
        yield _parameter(name, "query", schema, [text], required=required)


def _text_fields(
    message: Descriptor, wire: Wire, bound: Collection[FieldPath], above: tuple[FieldDescriptor, ...] = ()
) -> Iterator[tuple[FieldDescriptor, ...]]:
    for each in message.fields:
        path = (*above, each)
        if tuple(step.name for step in path) in bound or is_map(each) or each in above:
            continue
        if not is_message(each) or has_query_text(message_of(each)):
            yield path
        elif not each.is_repeated and _has_fields(message_of(each)):
            yield from _text_fields(message_of(each), wire, bound, path)


def resume_parameter(request: Descriptor, wire: Wire, book: SchemaBook) -> Parameter | None:
    """Give the `Last-Event-ID` header of a stream whose request has a cursor, None for one that cannot be resumed."""
    cursor = next((each for each in request.fields if is_cursor(each)), None)
    if cursor is None:
        return None
    text = (
        f"The `id` of the last event that was received; stands for `{wire.name(cursor)}` where the request does not "
        "set it. Browsers send it by themselves when they connect again."
    )
    schema = book.field(cursor, wire)
    schema.pop("description", None)
    return _parameter("Last-Event-ID", "header", schema, [text], required=False)


def header_parameters(request: Descriptor, book: SchemaBook, wire: Wire) -> Iterator[Parameter]:
    """Give a parameter for each field of a request that a header sets."""
    for each in request.fields:
        name = header_of(each)
        if name is not None:
            schema = book.field(each, wire)
            text = schema.pop("description", "")
            yield _parameter(name.title(), "header", schema, [text], required=False)


def field_at(message: Descriptor, path: FieldPath) -> FieldDescriptor:
    """Give the field at a path of proto names; KeyError when there is none."""
    for name in path[:-1]:
        message = message_of(message.fields_by_name[name])
    return message.fields_by_name[path[-1]]


def field_name(message: Descriptor, path: FieldPath, wire: Wire) -> str:
    """Give the spelling of a field path in a form."""
    return ".".join(wire.name(field_at(message, path[:length])) for length in range(1, len(path) + 1))


def _has_fields(message: Descriptor) -> bool:
    return well_known_form(message) is None and not is_http_body(message)


def _parameter(name: str, where: str, schema: Schema, texts: list[str], *, required: bool) -> Parameter:
    text = "\n\n".join(each for each in texts if each)
    deprecated = {"deprecated": True} if schema.pop("deprecated", False) else {}
    described = {"description": text} if text else {}
    return {"name": name, "in": where, "required": required, **described, **deprecated, "schema": schema}
