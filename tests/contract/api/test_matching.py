"""The comparison itself: it sees every difference that a case may want seen."""

from typing import Any

import pytest

from tests.contract.api.case import ABSENT, UUID
from tests.contract.api.matching import differences, pick, resolve


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}),
        ({"a": 1}, {"b": ABSENT}),
        ({"id": "01a1fdc7-aed6-7281-8b87-c77c0ce2c2b9"}, {"id": UUID}),
        ([], []),
    ],
)
def test_what_is_contained_is_no_difference(got: Any, wanted: Any) -> None:
    assert list(differences(got, wanted)) == []


@pytest.mark.parametrize(
    ("got", "wanted", "where"),
    [
        ({"a": 1}, {"a": 2}, "reply.a:"),
        ({"a": 0}, {"a": ""}, "reply.a:"),
        ({}, {"a": 1}, "reply.a:"),
        ({"a": 1}, {"a": ABSENT}, "reply.a:"),
        ({"a": [1, 2]}, {"a": [1]}, "reply.a:"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "reply.a[0].b:"),
        ({"a": "x"}, {"a": {"b": 1}}, "reply.a:"),
        ({"a": {}}, {"a": [1]}, "reply.a:"),
        ({"id": "x"}, {"id": UUID}, "reply.id:"),
        ({"id": 7}, {"id": UUID}, "reply.id:"),
    ],
)
def test_a_difference_is_named_with_its_place(got: Any, wanted: Any, where: str) -> None:
    (line,) = differences(got, wanted)
    assert line.startswith(where)


def test_names_are_resolved_wherever_they_stand() -> None:
    assert resolve({"a": ["$x", {"b": "$x"}], "c": "$$"}, {"x": "1", "$": "2"}) == {"a": ["1", {"b": "1"}], "c": "2"}
    with pytest.raises(KeyError):
        resolve("$nothing", {})


def test_values_are_picked_by_their_place() -> None:
    assert pick({"a": [{"b": 7}]}, "a.0.b") == "7"
