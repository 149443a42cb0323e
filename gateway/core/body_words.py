"""Puts a service's problem into the words of a caller whose body was one field of the request, which it never saw."""

from dataclasses import replace

from gateway.core.http_rule import WHOLE, HttpBinding
from gateway.core.problem import Problem, Violation

BODY = "the body"
"""What the whole of a body is called."""


def in_words_of_body(problem: Problem, binding: HttpBinding) -> Problem:
    """Give the problem with `session.model_id` called `model_id` where the body is the field `session`, and the field
    itself `the body`. Status details that are shown as they came keep the paths of the proto."""
    if not problem.violations or binding.body in ("", WHOLE):
        return problem
    message, violations = problem.message, []
    for old in problem.violations:
        new = _renamed(old, binding.body)
        message = message.replace(f"{old.field}: {old.description}", f"{new.field or BODY}: {new.description}", 1)
        violations.append(new)
    return replace(problem, message=message, violations=tuple(violations))


def _renamed(violation: Violation, body: str) -> Violation:
    field = "" if violation.field == body else violation.field.removeprefix(f"{body}.")
    return violation._replace(field=field)
