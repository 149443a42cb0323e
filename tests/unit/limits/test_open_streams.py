"""Places for streams."""

from dataclasses import replace

import pytest

from server.application.open_streams import OpenStreams
from server.domain.ids import KeyId
from server.domain.limit_errors import TooManyStreams
from server.domain.principal import Owner, Principal

KEY = Principal(Owner("acme", "anna"), frozenset({"*"}), KeyId("k"))


def test_a_place_is_given_back_once_however_often_it_is_left() -> None:
    streams = OpenStreams(2)
    first, second = streams.take(KEY), streams.take(KEY)
    with pytest.raises(TooManyStreams):
        streams.take(KEY)
    first()
    first()
    assert len(streams) == 1
    streams.take(KEY)
    second()
    assert len(streams) == 1


def test_the_key_counts_not_the_subject_and_each_person_alone() -> None:
    streams = OpenStreams(1)
    streams.take(replace(KEY, owner=Owner("acme", "bert"), actor="anna"))
    with pytest.raises(TooManyStreams):
        streams.take(KEY)
    person = replace(KEY, key_id=None, is_person=True)
    streams.take(person)
    with pytest.raises(TooManyStreams):
        streams.take(replace(person, key_id=KeyId("pk")))
    streams.take(replace(person, owner=Owner("elsewhere", "anna")))


def test_without_a_limit_any_number_is_open() -> None:
    streams = OpenStreams(0)
    leave = [streams.take(KEY) for _ in range(1000)]
    for each in leave:
        each()
    assert (len(streams), streams._open) == (0, {})
