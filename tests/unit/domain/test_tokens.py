"""Token estimates against real counts, and how reported usage corrects them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.budget import answer_tokens, room
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, ToolCall
from server.domain.model import Model
from server.domain.tokens import MAX_RATIO, MIN_RATIO, Counted, TokenEstimator, calibrated
from server.domain.tool import ToolSpec
from tests.unit.domain.token_samples import SAMPLES, Sample

PLAIN = TokenEstimator()
SEARCH = ToolSpec("search", "Looks things up.", '{"type": "object"}')


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_an_estimate_is_within_a_fifth_of_the_count(sample: Sample) -> None:
    assert PLAIN.text(sample.text) == pytest.approx(sample.tokens, rel=0.2)


def test_no_text_costs_nothing_and_a_message_costs_more_than_its_text() -> None:
    assert PLAIN.text("") == 0
    said = PromptMessage(Role.USER, "hello there")
    calling = PromptMessage(Role.ASSISTANT, "hello there", (ToolCall("a", "search", '{"q": "x"}'),))
    assert PLAIN.text(said.content) < PLAIN.message(said) < PLAIN.message(calling)


@given(st.text(), st.text())
def test_an_estimate_grows_with_its_text(one: str, other: str) -> None:
    assert PLAIN.text(one) <= PLAIN.text(one + other) <= PLAIN.text(one) + PLAIN.text(other)


def test_a_lone_surrogate_is_estimated_like_any_character() -> None:
    assert PLAIN.text("\ud800" * 10) > 0


def test_reports_of_the_provider_correct_later_estimates() -> None:
    estimator = calibrated([Counted(estimated=100, reported=140), Counted(estimated=300, reported=420)])
    assert estimator.ratio == pytest.approx(1.4)
    assert estimator.text("a word " * 100) == pytest.approx(1.4 * PLAIN.text("a word " * 100), rel=0.01)


def test_without_reports_estimates_stay_as_they_are() -> None:
    assert calibrated([]) == calibrated([Counted(0, 5), Counted(5, 0)]) == PLAIN


@given(st.lists(st.builds(Counted, st.integers(-5, 10**9), st.integers(-5, 10**9))))
def test_no_report_makes_an_estimate_less_than_half_or_more_than_double(counts: list[Counted]) -> None:
    assert MIN_RATIO <= calibrated(counts).ratio <= MAX_RATIO


def test_what_messages_may_take_is_the_context_without_the_answer_and_the_tools() -> None:
    model = Model("p", "m", {"context_tokens": 1000})
    assert room(model, GenerationConfig(max_tokens=100), (), PLAIN) == 900
    assert room(model, GenerationConfig(), (), PLAIN) == 750
    assert room(model, GenerationConfig(max_tokens=100), [SEARCH], PLAIN) == 900 - PLAIN.tools([SEARCH])
    assert room(model, GenerationConfig(max_tokens=5000), (), PLAIN) == 0
    assert answer_tokens(128_000, GenerationConfig()) == 4096


@pytest.mark.parametrize("config", [{}, {"context_tokens": 0}, {"context_tokens": True}, {"context_tokens": "many"}])
def test_without_a_usable_length_of_the_context_there_is_no_budget(config: dict[str, int | bool | str]) -> None:
    assert room(Model("p", "m", config), GenerationConfig(), (), PLAIN) is None
