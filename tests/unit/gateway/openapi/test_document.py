"""The whole document: valid by an independent validator and by JSON Schema's own meta-schema, complete, and stable."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from jsonschema_rs import meta
from openapi_spec_validator import validate

from gateway.core.http_rule import declared_bindings
from gateway.core.openapi import DuplicateOperation, Info, build_document, rendered
from gateway.core.openapi.url_path import url_path
from tests.unit.gateway.openapi.toy import (
    own_document,
    own_files,
    pool_of,
    services_of,
    toy_document,
    toy_files,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"
both_apis = pytest.mark.parametrize(("document", "files"), [(own_document, own_files), (toy_document, toy_files)])


def walk(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from walk(each)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for key, operation in item.items():
            yield key, path, operation


@both_apis
def test_the_document_is_valid_under_an_independent_validator(document: Any, files: Any) -> None:
    validate(document())


@both_apis
def test_every_schema_is_valid_in_draft_2020_12(document: Any, files: Any) -> None:
    schemas = [each["schema"] for each in walk(document()) if isinstance(each.get("schema"), dict)]
    schemas += document()["components"]["schemas"].values()
    assert len(schemas) > 20
    for schema in schemas:
        meta.validate({**schema, "$schema": DRAFT})


@both_apis
def test_every_reference_leads_to_something_and_every_schema_is_referred_to(document: Any, files: Any) -> None:
    tree = document()
    references = {each["$ref"] for each in walk(tree) if "$ref" in each}
    known = {f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in tree["components"][kind]}
    assert references == known


@both_apis
def test_every_binding_of_every_method_is_an_operation_of_its_own(document: Any, files: Any) -> None:
    bindings = sorted(
        (binding.http_method.lower(), url_path(binding.template, ".".join).shape)
        for service in services_of(files())
        for method in service.methods
        for binding in declared_bindings(method)
    )
    found = []
    for key, path, operation in operations(document()):
        names = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
        many = {each["name"] for each in operation.get("parameters", []) if "several segments" in str(each)}
        shape = path
        for name in names:
            shape = shape.replace(f"{{{name}}}", "{**}" if name in many else "{}")
        found.append((key.removeprefix("x-"), shape))
    assert sorted(found) == bindings
    ids = [operation["operationId"] for _, _, operation in operations(document())]
    assert len(set(ids)) == len(ids)


def test_operations_carry_the_comments_of_their_methods() -> None:
    operation = toy_document()["paths"]["/v1/books/{name}"]["get"]
    assert operation["operationId"] == "toy.v1.Shelves.GetBook-2"
    assert operation["summary"] == "Finds a book, e.g. `moby`"
    assert (
        operation["description"] == "Finds a book, e.g. `moby`. Its state is that of the moment.\n\nA second paragraph."
    )
    assert operation["tags"] == ["toy.v1.Shelves"]
    tags = toy_document()["tags"]
    assert {"name": "toy.v1.Shelves", "description": "Shelves of books. A second sentence."} in tags


def test_without_source_info_the_document_is_valid_and_only_lacks_comments() -> None:
    document = build_document(services_of(toy_files()))
    validate(document)
    assert document["paths"].keys() == toy_document()["paths"].keys()
    assert document["paths"]["/plain/echo"]["post"]["summary"] == "Echo"


def test_a_pool_without_validation_rules_gives_schemas_without_constraints() -> None:
    files = FileDescriptorSet()
    for file in toy_files().file:
        if file.name == "buf/validate/validate.proto":
            continue
        kept = files.file.add()
        kept.CopyFrom(file)
        dependencies = [each for each in file.dependency if not each.startswith("buf/")]
        del kept.dependency[:]
        kept.dependency.extend(dependencies)
    document = build_document(services_of(files))
    validate(document)
    schemas = document["components"]["schemas"]
    assert schemas["toy.v1.GetBookRequest"]["properties"]["name"] == {"type": "string"}


def test_paths_that_differ_in_their_names_only_are_one_item_and_say_what_they_set() -> None:
    item = toy_document()["paths"]["/v1/books/{name}"]
    assert set(item) == {"get", "patch"}
    described = item["patch"]["parameters"][0]
    assert described["name"] == "name"
    assert "Sets `book.id`." in described["description"]


def test_two_bindings_of_one_path_and_method_are_refused() -> None:
    service = pool_of(toy_files()).FindServiceByName("toy.v1.Plain")
    with pytest.raises(DuplicateOperation, match=r"Plain.Echo .*Plain.Echo .*POST /plain/echo"):
        build_document([service, service])


def test_a_deprecated_method_says_so_and_a_public_one_needs_no_credential() -> None:
    operation = toy_document()["paths"]["/v1/files/{path}"]["get"]
    assert operation["deprecated"] is True
    assert operation["security"] == []
    assert "401" not in operation["responses"]


def test_a_method_that_openapi_has_no_entry_for_is_an_extension() -> None:
    assert "x-report" in toy_document()["paths"]["/v1/files/{wildcard.1}/report"]


def test_a_document_has_its_title_and_is_rendered_to_the_same_bytes_each_time() -> None:
    first, again = (rendered(build_document(services_of(toy_files()), info=Info(title="Toy"))) for _ in range(2))
    assert first == again
    assert b'"title":"Toy"' in first
