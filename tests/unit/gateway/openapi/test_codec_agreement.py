"""What the codec writes is what the schemas promise, and what the schemas ask for is what the codec reads."""

import math
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from gateway.core.codec import Codecs
from gateway.core.dialect import Dialect, FieldNames, Int64Form, UnsetForm
from gateway.core.openapi.comments import Comments
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.wire import Wire
from tests.unit.gateway.openapi.messages import messages
from tests.unit.gateway.openapi.toy import toy_pool

POOL = toy_pool()
BOOK = POOL.FindMessageTypeByName("toy.v1.Book")
CODECS = Codecs(POOL)
DIALECTS = [
    Dialect(field_names=names, int64_form=form, unset_form=unset)
    for names in FieldNames
    for form in Int64Form
    for unset in UnsetForm
]
each_dialect = pytest.mark.parametrize(
    "dialect", DIALECTS, ids=lambda each: f"{each.field_names.name}-{each.int64_form.name}-{each.unset_form.name}"
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def validator(wire: Wire) -> Any:
    """Give a validator of books that also refuses members that the schemas do not name."""
    book = SchemaBook(Comments())
    document = book.resolved({"root": book.message(BOOK, wire)})
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return Draft202012Validator({**document["root"], "components": document["components"]}, validate_formats=True)


@each_dialect
@few
@given(data=st.data())
def test_every_message_is_written_as_its_schema_says(dialect: Dialect, data: st.DataObject) -> None:
    message: Message = data.draw(messages(BOOK))
    written = CODECS.message(BOOK, dialect).encode_value(message)
    errors = [f"{error.instance_path}: {error.message}" for error in validator(Wire.sent(dialect)).iter_errors(written)]
    assert errors == []


@each_dialect
def test_the_form_of_a_reply_is_not_that_of_another_dialect(dialect: Dialect) -> None:
    message = CODECS.message(BOOK, dialect).decode(b'{"id":"a","numberOfCopies":1,"printedAt":null,"isbn":"7"}')
    written = CODECS.message(BOOK, dialect).encode_value(message)
    accepted = [other for other in DIALECTS if validator(Wire.sent(other)).is_valid(written)]
    assert dialect in accepted
    assert {each.int64_form for each in accepted} == {dialect.int64_form}
    assert {each.field_names for each in accepted} == {dialect.field_names}


@each_dialect
@few
@given(data=st.data())
def test_what_a_schema_of_requests_allows_is_read(dialect: Dialect, data: st.DataObject) -> None:
    """The omitting form of any message is a request; where its rules hold, the schema has to allow it."""
    message: Any = data.draw(messages(BOOK))
    wire = Wire.received(dialect)
    asked = CODECS.message(BOOK, Dialect(dialect.field_names, dialect.int64_form)).encode_value(message)
    if validator(wire).is_valid(asked):
        assert CODECS.message(BOOK, dialect).decode(orjson.dumps(asked)) is not None
    else:
        assert breaks_a_rule(message)


def breaks_a_rule(message: Any) -> bool:
    """Say whether a book breaks a declared rule, or has a value that requests leave out or cannot spell."""
    here = (
        not 1 <= len(message.id) <= 9
        or message.number_of_copies < 0
        or 0 in message.kinds
        or 0 in message.kind_of.values()
        or not all(math.isfinite(value) for value in (message.weight, message.width))
    )
    return here or any(breaks_a_rule(chapter) for chapter in message.chapters)
