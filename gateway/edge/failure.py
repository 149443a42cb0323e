"""Reads what went wrong with a call from its outcome."""

from gateway.core.body_words import in_words_of_body
from gateway.core.metadata import first
from gateway.core.problem import DETAILS_KEY, Problem, problem_of
from gateway.core.route import Route
from gateway.edge.upstream import Outcome


def failure(outcome: Outcome, route: Route) -> Problem:
    """Give the problem of a call that did not succeed, in the words of the route's callers."""
    details = first(outcome.trailing, DETAILS_KEY)
    problem = problem_of(outcome.code, outcome.message, details if isinstance(details, bytes) else None)
    return in_words_of_body(problem, route.binding)
