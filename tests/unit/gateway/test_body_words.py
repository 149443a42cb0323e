"""A caller is told what is wrong in the words of the body that it wrote."""

import pytest

from gateway.core.body_words import in_words_of_body
from gateway.core.http_rule import WHOLE, HttpBinding
from gateway.core.path_template import parse_template
from gateway.core.problem import Problem, Violation, invalid
from gateway.core.status import Code

_TEXT = "session.model_id: is no UUID; org_id: is empty; session: is required; sessions.x: is odd"
_PROBLEM = Problem(
    Code.INVALID_ARGUMENT,
    _TEXT,
    violations=tuple(Violation(*part.split(": ")) for part in _TEXT.split("; ")),
)


def _binding(body: str) -> HttpBinding:
    return HttpBinding("POST", parse_template("/v1/sessions"), body=body)


def test_fields_of_a_body_that_is_one_field_are_called_as_their_sender_spelt_them() -> None:
    told = in_words_of_body(_PROBLEM, _binding("session"))
    assert told.message == "model_id: is no UUID; org_id: is empty; the body: is required; sessions.x: is odd"
    assert [violation.field for violation in told.violations] == ["model_id", "org_id", "", "sessions.x"]


@pytest.mark.parametrize("body", ["", WHOLE])
def test_other_bodies_are_called_as_the_proto_calls_them(body: str) -> None:
    assert in_words_of_body(_PROBLEM, _binding(body)) is _PROBLEM


def test_a_sentence_about_no_part_has_a_subject() -> None:
    assert invalid("", "must be an object", whole="the body").problem.message == "the body must be an object"
    assert invalid("name", "must be a text", whole="the body").problem.message == "name: must be a text"
    assert invalid("", "this request takes no body").problem.message == "this request takes no body"
