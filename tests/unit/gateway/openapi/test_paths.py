"""Path templates as OpenAPI paths, and the parameters of paths, queries and headers."""

from typing import Any

import pytest

from gateway.core.openapi.url_path import Placeholder, bound_fields, url_path
from gateway.core.path_template import parse_template
from tests.unit.gateway.openapi.toy import own_document, toy_document

NAME = ("name",)


@pytest.mark.parametrize(
    ("template", "path", "shape"),
    [
        ("/", "/", "/"),
        ("/v1/books/", "/v1/books/", "/v1/books/"),
        ("/v1/books:find", "/v1/books:find", "/v1/books:find"),
        ("/v1/{name}", "/v1/{name}", "/v1/{}"),
        ("/v1/{name=*}/x", "/v1/{name}/x", "/v1/{}/x"),
        ("/v1/{name=shelves/*}:verb", "/v1/shelves/{name}:verb", "/v1/shelves/{}:verb"),
        ("/v1/{name=a/*/b/*}", "/v1/a/{name.1}/b/{name.2}", "/v1/a/{}/b/{}"),
        ("/v1/{name=a/*/b/**}", "/v1/a/{name.1}/b/{name.2}", "/v1/a/{}/b/{**}"),
        ("/v1/{name=**}", "/v1/{name}", "/v1/{**}"),
        ("/v1/{name=books}", "/v1/books", "/v1/books"),
        ("/v1/*/{name}/**", "/v1/{wildcard.1}/{name}/{wildcard.2}", "/v1/{}/{}/{**}"),
        ("/v1/{book.id}", "/v1/{book.id}", "/v1/{}"),
    ],
)
def test_a_template_becomes_a_path_whose_placeholders_are_segments(template: str, path: str, shape: str) -> None:
    made = url_path(parse_template(template), ".".join)
    assert str(made) == path
    assert made.shape == shape


def test_a_placeholder_knows_its_field_and_the_whole_value() -> None:
    made = url_path(parse_template("/v1/{name=a/*/b/**}"), ".".join)
    assert made.placeholders == (
        Placeholder("name.1", NAME, "a/*/b/**", takes_many=False),
        Placeholder("name.2", NAME, "a/*/b/**", takes_many=True),
    )


def test_a_variable_without_wildcards_is_bound_all_the_same() -> None:
    assert bound_fields(parse_template("/v1/{kind=books}/{book.id}")) == {("kind",), ("book", "id")}


def test_a_path_takes_over_the_names_of_another_of_its_shape() -> None:
    one, other = (url_path(parse_template(text), ".".join) for text in ("/v1/{a}/x/{b}", "/v1/{c}/x/{d}"))
    assert str(one.named_as(other)) == "/v1/{c}/x/{d}"
    assert one.named_as(other).placeholders[0].field == ("a",)


def parameters(path: str, key: str = "get") -> dict[str, Any]:
    listed = toy_document()["paths"][path][key].get("parameters", [])
    return {each["name"]: each for each in listed}


def test_parts_of_a_variable_name_the_whole() -> None:
    part = parameters("/v1/shelves/{name.1}/books/{name.2}")["name.2"]
    assert part["in"] == "path"
    assert part["required"] is True
    assert part["schema"] == {"type": "string", "minLength": 1}
    assert "A part of `name`, the whole of which is `shelves/*/books/*`." in part["description"]


def test_a_variable_of_many_segments_says_that_slashes_stand_in_it() -> None:
    described = parameters("/v1/files/{path}")["path"]
    assert "slashes stand in it as they are" in described["description"]
    assert described["x-multi-segment"] is True


def test_what_the_path_binds_is_in_neither_query_nor_body() -> None:
    assert set(parameters("/v1/books/{id}:read")) == {"id", "after_word", "Last-Event-ID"}
    body = toy_document()["paths"]["/v1/books/{name}"]["patch"]["requestBody"]
    book = body["content"]["application/json"]["schema"]
    assert "kind" in book["properties"]
    assert "id" not in book["properties"]
    assert body["required"] is True
    assert set(parameters("/v1/books/{name}", "patch")) == {"name", "mask"}


def test_a_query_has_the_fields_that_can_be_written_as_text() -> None:
    listed = parameters("/v1/books")
    filters = {"filter.kind", "filter.since", "filter.inner.kind", "filter.inner.since"}  # no inner of the inner one
    assert set(listed) == filters | {"sizes", "shelf", "sold", "after_id"}
    assert listed["sizes"]["schema"]["items"]["minimum"] == 1
    assert listed["sizes"]["schema"]["maxItems"] == 3
    assert [name for name, each in listed.items() if each["required"]] == ["shelf", "after_id"]
    assert listed["sold"]["schema"] == {"type": "boolean"}
    assert listed["filter.kind"]["description"].startswith("Only these.")


def test_a_stream_with_a_cursor_in_its_request_can_be_resumed_by_a_header() -> None:
    resume = parameters("/v1/books/{id}:read")["Last-Event-ID"]
    assert resume["in"] == "header"
    assert "`after_word`" in resume["description"]
    assert resume["schema"]["type"] == "integer"
    assert "parameters" not in toy_document()["paths"]["/plain/speak"]["post"]
    own = own_document()["paths"]["/api/v1/llm/gateway/stream-run"]["post"]["parameters"]
    assert "`afterSequence`" in own[0]["description"]
