"""Schemas of messages: their form in each dialect, in both directions, and what refers to what."""

from tests.unit.gateway.openapi.toy import own_document, toy_schema

SNAKE = "Book-snake-int64-number-unset-null"
CAMEL = "Book-camel-int64-string-unset-omitted"
SNAKE_INPUT = "Book-input-snake-int64-number-closed"
CAMEL_INPUT = "Book-input-camel-int64-string-open"


def test_names_are_in_the_case_of_the_dialect() -> None:
    assert "number_of_copies" in toy_schema(SNAKE)["properties"]
    assert "numberOfCopies" in toy_schema(CAMEL)["properties"]
    assert "numberOfCopies" in toy_schema(CAMEL_INPUT)["properties"]


def test_integers_of_64_bits_are_numbers_or_strings() -> None:
    assert toy_schema(SNAKE)["properties"]["isbn"] == {"type": "integer", "format": "uint64"}
    as_text = {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"}
    assert toy_schema(CAMEL)["properties"]["isbn"] == as_text


def test_what_is_sent_has_ranges_and_what_is_received_has_none() -> None:
    assert toy_schema(SNAKE_INPUT)["properties"]["edition"]["maximum"] == 4294967295
    assert "maximum" not in toy_schema(SNAKE)["properties"]["edition"]


def test_a_dialect_that_omits_unset_fields_requires_none_in_replies() -> None:
    assert "required" not in toy_schema(CAMEL)


def test_a_dialect_with_null_requires_every_field_but_the_members_of_oneofs_and_the_exceptions() -> None:
    schema = toy_schema(SNAKE)
    assert set(schema["properties"]) - set(schema["required"]) == {"person", "library", "tags"}
    assert schema["properties"]["subtitle"] == {"type": ["string", "null"]}
    assert schema["properties"]["id"]["type"] == "string"
    library = schema["properties"]["library"]
    assert library == {"$ref": "#/components/schemas/toy.v1.Library-snake-int64-number-unset-null"}


def test_a_dialect_with_defaults_requires_the_fields_without_presence() -> None:
    thread = own_document()["components"]["schemas"]["parley.v1.ConversationState"]
    assert {"messages", "lastSequence", "archived"} <= set(thread["required"])
    assert not {"activeRun", "generationConfig", "createdAt"} & set(thread["required"])


def test_a_reference_may_be_null_where_the_dialect_writes_null() -> None:
    model = own_document()["components"]["schemas"]["parley.conversations.v1.Conversation"]
    assert model["properties"]["created_at"]["type"] == ["string", "null"]
    assert {"type": "null"} not in toy_schema(SNAKE)["properties"]["kind"].get("anyOf", [])


def test_a_client_may_send_foreign_fields_only_where_they_are_ignored() -> None:
    assert toy_schema(SNAKE_INPUT)["additionalProperties"] is False
    assert "additionalProperties" not in toy_schema(CAMEL_INPUT)
    assert "additionalProperties" not in toy_schema(SNAKE)


def test_at_most_one_member_of_a_oneof_is_allowed() -> None:
    alone = [{"required": ["person"]}, {"required": ["library"]}]
    assert toy_schema(SNAKE)["oneOf"] == [*alone, {"not": {"anyOf": alone}}]


def test_a_message_that_contains_itself_refers_to_itself() -> None:
    items = toy_schema(SNAKE)["properties"]["chapters"]["items"]
    assert items == {"$ref": f"#/components/schemas/toy.v1.{SNAKE}"}


def test_well_known_types_have_their_own_json() -> None:
    properties = toy_schema(CAMEL)["properties"]
    assert properties["printedAt"] == {"type": "string", "format": "date-time"}
    assert properties["loan"]["pattern"] == r"^-?[0-9]+(\.[0-9]{1,9})?s$"
    assert properties["extra"]["type"] == "object"
    assert properties["anything"] == {"description": "Any JSON value."}
    assert properties["list"]["type"] == "array"
    assert "@type" in properties["any"]["properties"]
    assert properties["stars"]["type"] == "string"
    assert properties["mask"]["type"] == "string"
    assert properties["nothing"] == {"type": "null"}
    assert properties["cover"] == {"type": "string", "contentEncoding": "base64"}
    assert {"enum": ["NaN", "Infinity", "-Infinity"]} in properties["weight"]["anyOf"]


def test_maps_are_objects_whose_keys_have_the_form_of_their_type() -> None:
    properties = toy_schema(CAMEL)["properties"]
    assert properties["ratings"]["additionalProperties"]["type"] == "string"
    assert properties["byFlag"]["propertyNames"] == {"enum": ["true", "false"]}


def test_enums_are_their_words_with_a_line_for_each() -> None:
    kind = toy_schema("Kind-input")
    assert kind["enum"] == ["novel", "report"]
    assert kind["description"] == "The kind of a book.\n\n- `novel`: Made up.\n- `report`: Not made up."
    assert toy_schema("Kind")["enum"][1:] == kind["enum"]


def test_comments_and_deprecation_are_on_the_members() -> None:
    properties = toy_schema(SNAKE)["properties"]
    assert properties["id"]["description"] == "Its id, 1 to 9 characters."
    assert properties["pages"]["deprecated"] is True
    assert toy_schema(SNAKE)["description"] == "A book."
