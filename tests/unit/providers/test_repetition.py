"""A provider's words stay where they say what is wrong, and go where they only repeat what somebody wrote."""

import pytest

from server.adapters.provider.repetition import texts, without_repetition
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, ToolCall
from server.ports.provider import CompletionRequest, ProviderError

PROMPT = "Where did Aunt Gertrude\nhide the silver spoons?"
REQUEST = CompletionRequest(
    messages=(
        PromptMessage(Role.SYSTEM, "Answer like a butler would."),
        PromptMessage(Role.USER, PROMPT),
        PromptMessage(Role.ASSISTANT, "", tool_calls=(ToolCall("c1", "look", '{"room": "the second pantry"}'),)),
    ),
    generation=GenerationConfig(),
)


def _told(quote: str) -> str:
    error = ProviderError("PROVIDER_REJECTED_REQUEST", "The provider refused.", quote=quote)
    return without_repetition(error, texts(REQUEST)).message


@pytest.mark.parametrize(
    "quote",
    [
        "cannot read: Where did Aunt Gertrude hide the silver spoons?",
        "bad input near 'Gertrude hide the'",
        "unexpected system prompt (like a butler would.)",
        'arguments {"room": "the second pantry"}',
    ],
)
def test_what_repeats_the_request_is_left_out(quote: str) -> None:
    assert _told(quote) == "The provider refused."


@pytest.mark.parametrize(
    "quote", ["You have insufficient credits", "no", "temperature must be below 2", "hide the silver"]
)
def test_what_says_something_of_its_own_stays(quote: str) -> None:
    assert _told(quote) == f"The provider refused. It says: {quote}"


def test_what_is_known_of_the_error_stays() -> None:
    error = ProviderError("R", "It failed.", retryable=True, quote=PROMPT.replace("\n", " "))
    told = without_repetition(error, texts(REQUEST))
    assert (told.reason, told.retryable, told.message) == ("R", True, "It failed.")
