"""A client that knows nothing but the OpenAPI document: makes requests by it, and holds replies against it."""

import base64
import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jsonschema_rs import Draft202012Validator

from tests.integration.openapi.event_stream import NDJSON, SSE, items_of

Json = dict[str, Any]
ANY_MEDIA = "*/*"
ERRORS = 400


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire for one operation."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `text` may be only the beginning of a stream."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def media(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


class Document:
    """The document of a live gateway.

    It is held more strictly than it was written: members that it does not name count as errors, although clients have
    to expect new ones.
    """

    def __init__(self, document: Json) -> None:
        self._whole = closed(document)
        self._operations = {
            operation["operationId"]: (method, path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }

    def request(self, operation_id: str, fields: Json) -> Request:
        """Put the fields of a request where the document has them; what is neither path, query nor, where there is no
        body, a header is in the body."""
        method, path, operation = self._operations[operation_id]
        query: list[tuple[str, str]] = []
        headers: dict[str, str] = {}
        rest = copy.deepcopy(fields)
        for parameter in operation.get("parameters", []):
            value = _taken(rest, parameter["name"].split(".")) if parameter["in"] != "header" else None
            if parameter["in"] == "header":
                field = parameter["name"].replace("-", "").lower()
                for each in [name for name in rest if name.lower() == field and "requestBody" not in operation]:
                    headers[parameter["name"]] = _text(rest.pop(each))
            elif parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(str(value), safe=""))
            elif value is not None:
                query += [(parameter["name"], _text(each)) for each in (value if isinstance(value, list) else [value])]
        return Request(method.upper(), path, query, headers, self._body(operation, rest))

    def errors(self, operation_id: str, reply: Reply) -> list[str]:
        """Say in what a reply is not what the document promises; nothing when it is."""
        _, _, operation = self._operations[operation_id]
        response = operation["responses"].get(str(reply.status))
        if response is None:
            return [f"the status {reply.status} is not documented"]
        response = self._resolved(response)
        missing = [name for name in response["headers"] if name == "X-Request-Id" and name.lower() not in reply.headers]
        if reply.status < ERRORS and ANY_MEDIA in response.get("content", {}):
            return missing
        if reply.media not in response.get("content", {"": None}):
            return [f"the content type {reply.media!r} is not documented for {reply.status}"]
        if "content" not in response:
            return missing
        schema = response["content"][reply.media]["schema"]
        if reply.media in (SSE, NDJSON):
            items = items_of(reply.media, reply.text)
            return [*missing, *(error for item in items for error in self._unlike_item(schema, item))]
        return [*missing, *self._unlike(schema, json.loads(reply.text))]

    def _body(self, operation: Json, rest: Json) -> Any:
        if "requestBody" not in operation:
            assert not rest, f"{operation['operationId']} has no place for {rest}"
            return None
        if "application/json" not in (content := operation["requestBody"]["content"]):
            # Whatever bytes: those of the pieces that the method is sent.
            return base64.b64decode(rest.get("content", {}).get("data", ""))
        schema = self._resolved(content["application/json"]["schema"])
        if rest.keys() <= schema.get("properties", {}).keys():
            return rest
        (body,) = rest.values()
        return body

    def _unlike_item(self, schema: Json, item: Json) -> Iterator[str]:
        """Hold an event against its schema, and the JSON in its `data`, which validators do not look into."""
        yield from self._unlike(schema, item)
        named = (event["properties"] for event in self._resolved(schema)["oneOf"])
        data: Json = next((each["data"] for each in named if each["event"]["const"] == item.get("event")), {})
        if "contentSchema" in data:
            yield from self._unlike(data["contentSchema"], json.loads(item["data"]))

    def _unlike(self, schema: Json, value: Any) -> list[str]:
        whole = {**schema, "components": self._whole["components"]}
        validator = Draft202012Validator(whole, validate_formats=True)
        return [f"{error.instance_path}: {error.message[:300]}" for error in validator.iter_errors(value)]

    def _resolved(self, part: Json) -> Json:
        while "$ref" in part:
            _, *steps = part["$ref"].split("/")
            part = self._whole
            for step in steps:
                part = part[step]
        return part


def closed(tree: Any) -> Any:
    """Give the document with all objects closed that name their members."""
    if isinstance(tree, list):
        return [closed(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    parts = {name: closed(member) for name, member in tree.items()}
    is_object = parts.get("type") == "object" and isinstance(parts.get("properties"), dict)
    # Details and metadata of errors are open by their nature, and the event schemas do not list `retry`.
    is_open = is_object and ({"@type", "fields", "data"} & parts["properties"].keys())
    return {"additionalProperties": False, **parts} if is_object and not is_open else parts


def _taken(fields: Json, path: list[str]) -> Any:
    *above, last = path
    for name in above:
        fields = fields.get(name, {})
    return fields.pop(last, None)


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
