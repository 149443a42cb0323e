"""Bodies, replies, errors, streams and credentials of operations."""

from typing import Any

import pytest

from gateway.core.dialect import Credential, Dialect, ErrorFormat, Rule
from gateway.core.openapi.error_body import error_schema
from gateway.core.openapi.security import SecurityBook
from tests.unit.gateway.openapi.toy import own_document, toy_document, toy_pool, toy_schema


def toy_operation(key: str, path: str) -> Any:
    return toy_document()["paths"][path][key]


def events_of(name: str) -> dict[str, dict[str, Any]]:
    return {event["title"]: event["properties"] for event in toy_schema(name)["oneOf"]}


def test_success_has_the_status_of_the_rule_and_the_form_of_response_body() -> None:
    responses = toy_operation("patch", "/v1/books/{name}")["responses"]
    assert "200" not in responses
    schema = responses["202"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/toy.v1.Book-snake-int64-number-unset-null"}
    count = toy_operation("get", "/v1/books")["responses"]["200"]["content"]["application/json"]["schema"]
    assert count == {"type": ["integer", "null"], "format": "int64"}


def test_a_raw_body_has_no_schema_in_either_direction() -> None:
    assert toy_operation("get", "/v1/files/{path}")["responses"]["200"]["content"] == {"*/*": {}}
    assert toy_operation("put", "/v1/uploads/{id}")["requestBody"] == {"required": False, "content": {"*/*": {}}}


def test_a_body_of_one_field_has_its_schema_and_the_rest_is_in_the_query() -> None:
    operation = own_document()["paths"]["/api/conversation/create"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith(".NewConversation")
    assert [each["name"] for each in operation["parameters"]] == ["org_id"]


def test_errors_have_the_statuses_of_the_table_and_of_the_exceptions() -> None:
    responses = toy_operation("get", "/v1/books")["responses"]
    assert {"400", "401", "403", "409", "410", "418", "429", "500", "503", "504", "default"} <= responses.keys()
    assert not {"404", "413", "415"} & responses.keys()  # NOT_FOUND is 410 here, and there is no body
    assert {"413", "415"} <= toy_operation("post", "/plain/echo")["responses"].keys()
    kept = toy_document()["components"]["responses"]
    assert kept["toy.v1.Gone"]["description"] == "Gone: `NOT_FOUND`"
    assert kept["toy.v1.ImATeapot"]["description"] == "I'm a Teapot: `TEAPOT`"
    assert "Retry-After" in kept["toy.v1.TooManyRequests"]["headers"]
    assert "WWW-Authenticate" in kept["toy.v1.Unauthorized"]["headers"]


def test_the_error_body_is_that_of_the_template() -> None:
    schema = toy_schema("Error")
    assert schema["required"] == ["ok", "why"]
    assert schema["properties"]["ok"] == {"const": False}
    why = schema["properties"]["why"]["properties"]
    assert why["code"]["type"] == why["text"]["type"] == "string"
    assert [each["type"] for each in why["more"]["prefixItems"]] == ["object", "integer"]


def test_a_template_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        error_schema(ErrorFormat(body="{"))


def test_an_event_has_its_declared_name_and_the_member_as_its_data() -> None:
    events = events_of("Spoken-event")
    assert list(events) == ["begun", "word", "over", "end", "error"]
    library = {"$ref": "#/components/schemas/toy.v1.Library-snake-int64-number-unset-null"}
    assert events["begun"]["data"]["contentSchema"] == library
    assert events["word"]["data"]["contentSchema"]["type"] == "string"
    assert events["error"]["data"]["contentSchema"] == {"$ref": "#/components/schemas/toy.v1.Error"}
    assert "id" in events["word"]
    assert "id" not in events["error"]


def test_an_event_of_a_dialect_with_whole_messages_has_the_message_with_its_member() -> None:
    data = events_of("Spoken-event-2")["word"]["data"]["contentSchema"]
    whole = {"$ref": "#/components/schemas/toy.v1.Spoken"}
    assert data == {"allOf": [whole, {"required": ["said"]}]}


def test_a_stream_may_end_with_end_unless_an_event_of_its_own_has_that_name() -> None:
    assert "id" not in events_of("Spoken-event")["end"]
    own = own_document()["components"]["schemas"]["parley.conversations.v1.StreamChatResponse-event"]
    assert [each["title"] for each in own["oneOf"]] == ["start", "content", "end", "draining", "error"]


def test_messages_without_a_oneof_are_events_that_need_no_name() -> None:
    event = toy_schema("Library-event")["oneOf"][0]
    assert event["title"] == "message"
    assert event["required"] == ["data"]


def test_a_line_holds_the_data_itself() -> None:
    line = toy_schema("Spoken-line")["oneOf"][1]["properties"]
    assert line["event"] == {"const": "word"}
    assert line["data"]["type"] == "string"
    assert "contentSchema" not in line["data"]


def test_a_stream_is_offered_as_events_and_as_lines() -> None:
    response = toy_operation("post", "/plain/speak")["responses"]["200"]
    assert response["x-stream"] is True
    assert list(response["content"]) == ["text/event-stream", "application/x-ndjson"]
    assert response["content"]["text/event-stream"]["schema"]["$ref"].endswith("Spoken-event-2")
    by_lines = toy_operation("post", "/plain/tick")["responses"]["200"]
    assert list(by_lines["content"]) == ["application/x-ndjson", "text/event-stream"]


def test_a_route_that_a_stream_shares_offers_one_reply_and_the_stream() -> None:
    response = toy_operation("post", "/plain/tell")["responses"]["200"]
    assert list(response["content"]) == ["application/json", "text/event-stream", "application/x-ndjson"]
    assert response["content"]["application/json"]["schema"]["type"] == "string"
    speak = toy_operation("post", "/plain/speak")["responses"]["200"]["content"]
    assert {media: response["content"][media] for media in speak} == speak
    assert "where `sold` is true" in response["description"]


def test_a_stream_of_raw_bodies_has_no_framing_and_a_bodiless_status_no_content() -> None:
    assert toy_operation("get", "/v1/raw")["responses"]["200"]["content"] == {"*/*": {}}
    assert "content" not in toy_operation("delete", "/v1/raw")["responses"]["204"]


def test_any_of_the_declared_credentials_opens_a_method_and_its_scope_is_named() -> None:
    assert toy_operation("post", "/plain/echo")["security"] == [{"key": ["books:read"]}, {"token": ["books:read"]}]
    schemes = toy_document()["components"]["securitySchemes"]
    assert schemes["key"] == {"type": "apiKey", "in": "header", "name": "X-Toy-Key", "description": "A key."}
    assert schemes["token"] == {"type": "http", "scheme": "bearer"}


def test_credentials_of_one_name_and_different_headers_are_two_schemes() -> None:
    pool, book = toy_pool(), SecurityBook()
    names = []
    for service, header in (("Shelves", "X-One"), ("Plain", "X-Two"), ("Plain", "X-Two")):
        dialect = Dialect(credentials=(Credential("my key", header, ""),))
        needed = book.requirement(pool.FindServiceByName(f"toy.v1.{service}"), dialect, Rule(scope="s"))
        assert needed is not None
        names += needed
    assert names == [{"my_key": ["s"]}, {"toy.v1.Plain.my_key": ["s"]}, {"toy.v1.Plain.my_key": ["s"]}]


def test_a_dialect_without_credentials_says_nothing_of_security() -> None:
    service = toy_pool().FindServiceByName("toy.v1.Plain")
    assert SecurityBook().requirement(service, Dialect(), Rule()) is None
