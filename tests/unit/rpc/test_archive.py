"""The archive's codec: never more bytes than a reply is reckoned with; searches are read as they are meant."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from parley.archive.v3 import archive_pb2 as pb

from server.application.archive import ArchivedConversation
from server.domain.errors import InvalidField
from server.domain.ids import FileId
from server.domain.message import GeneratedImage, Message
from server.domain.search import Field, Filter, Operator
from server.domain.weight import weight_of_conversation, weight_of_message
from server.rpc.codecs.archive import decode_search, encode_conversation
from tests.contract.store.builders import ALICE, at, conversation, message, new_id

_texts = st.text(st.characters(codec="utf-8"), max_size=300)
_images = st.builds(GeneratedImage, model=_texts, prompt=_texts, file_id=st.just(FileId(new_id())))
_messages = st.builds(
    lambda content, **more: replace(message(conversation(), content, time=10**9), **more),
    _texts,
    reasoning=st.none() | _texts,
    model=st.none() | _texts,
    image=st.none() | _images,
)


@given(messages=st.lists(_messages, max_size=5), name=_texts, summary=_texts, model=_texts)
def test_a_conversation_is_never_larger_than_its_weight(
    messages: list[Message], name: str, summary: str, model: str
) -> None:
    talk = conversation(name=name, summary=summary, model=model, image_model=model, accessed_at=at(10**9))
    talk = replace(talk, created_by=ALICE.user_id, updated_by=ALICE.user_id, accessed_by=ALICE.user_id)
    reply = pb.FindConversationsResponse(conversations=[encode_conversation(ArchivedConversation(talk, messages))])
    assert reply.ByteSize() <= weight_of_conversation(talk) + sum(map(weight_of_message, messages))


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (["name", "==", "5"], Filter(Field.NAME, Operator.EQUAL, "5")),
        (["created.timestamp", "<", 1735815581000], Filter(Field.CREATED_AT, Operator.BELOW, 1735815581000)),
        (["assistant_id", "!=", None], Filter(Field.ASSISTANT_ID, Operator.NOT_EQUAL, None)),
    ],
)
def test_filters_are_read_from_free_form_lists(sent: list[Any], wanted: Filter) -> None:
    request = ParseDict({"filters": [sent]}, pb.FindConversationsRequest())
    assert decode_search(request).filters == (wanted,)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2.0**53, -(2.0**53), 1.5])
def test_numbers_that_are_no_times_are_refused(number: float) -> None:
    request = pb.FindConversationsRequest()
    request.filters.add().extend(["created.timestamp", "==", number])
    with pytest.raises(InvalidField):
        decode_search(request)


def test_every_mistake_is_told_at_once() -> None:
    terms = {"filters": [["name", "~", 1], ["x", "==", 1]], "sort_key": "y", "limit_from": -1}
    with pytest.raises(InvalidField) as caught:
        decode_search(ParseDict(terms, pb.FindConversationsRequest()))
    named = [violation.field for violation in caught.value.violations]
    assert named == ["filters[0][1]", "filters[1][0]", "sort_key", "limit_from"]
