"""The operations of the project's own document, as `tests/golden/openapi.txt` has them.

A change of that file is a change of what clients rely on. `UPDATE_GOLDEN=1 pytest` on this file writes it anew.
"""

import os
from collections.abc import Iterator
from typing import Any

from tests.support.pools import ROOT
from tests.unit.gateway.openapi.toy import own_document

GOLDEN = ROOT / "tests" / "golden" / "openapi.txt"


def test_the_operations_are_those_of_the_golden_file() -> None:
    written = "".join(f"{line}\n" for line in lines(own_document()))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(written)
    assert written == GOLDEN.read_text()


def lines(document: dict[str, Any]) -> Iterator[str]:
    for path, item in document["paths"].items():
        for key, operation in item.items():
            yield f"{key.upper()} {path}"
            yield f"  {operation['operationId']} for {' or '.join(credentials(operation)) or 'everyone'}"
            for each in operation.get("parameters", []):
                need = "" if each["required"] else "?"
                yield f"  {each['in']} {each['name']}{need}: {shape(each['schema'])}"
            body = operation.get("requestBody")
            if body:
                yield f"  body{'' if body['required'] else '?'}: {', '.join(contents(body))}"
            yield from replies(operation["responses"])


def credentials(operation: dict[str, Any]) -> Iterator[str]:
    for needed in operation.get("security", []):
        for name, scopes in needed.items():
            yield f"{name}({' '.join(scopes)})"


def replies(responses: dict[str, Any]) -> Iterator[str]:
    for status, response in responses.items():
        if "$ref" not in response:
            yield f"  {status}: {', '.join(contents(response))}"
    yield "  else: " + " ".join(status for status, response in responses.items() if "$ref" in response)


def contents(part: dict[str, Any]) -> Iterator[str]:
    for media, content in part["content"].items():
        yield f"{media} {shape(content.get('schema', {}))}"


def shape(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(shape(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{shape(schema['items'])}]"
    return str(schema.get("format") or schema.get("type") or "any")
