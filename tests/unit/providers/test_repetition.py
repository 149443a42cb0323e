"""A provider's words stay where they say what is wrong, and go where they only repeat what somebody wrote."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.provider.repetition import MOST, texts, without_repetition
from server.domain.attachment import Attachment
from server.domain.context import PromptMessage
from server.domain.enclosure import Enclosure, Shown
from server.domain.generation import GenerationConfig
from server.domain.ids import FileId
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


_LETTERS = st.text(alphabet="ab ", max_size=60)


@given(before=_LETTERS, common=st.text(alphabet="ab", min_size=14, max_size=18), behind=_LETTERS, quote=_LETTERS)
def test_sixteen_characters_in_a_row_are_found_wherever_they_are(
    before: str, common: str, behind: str, quote: str
) -> None:
    said, told = " ".join((before + common + behind).split()), quote + common
    windows = [told[start : start + 16] for start in range(len(told) - 15)]
    error = ProviderError("R", "It failed.", quote=told)
    kept = without_repetition(error, [before + common + behind]).quote
    assert kept == ("" if any(window in said for window in windows) else told)


def test_of_many_files_so_much_is_looked_at_and_no_more() -> None:
    size = 64 * 1024
    file = Attachment(FileId("f"), "a.png", "image/png", size, "0" * 64, tokens=1)
    files = (Enclosure(file, Shown.WHOLE, data=b"A" * size),) * (MOST // size)
    messages = [replace(message, enclosures=files) for message in REQUEST.messages]
    found = list(texts(replace(REQUEST, messages=tuple(messages))))
    assert sum(map(len, found)) == MOST
    assert found[0] == REQUEST.messages[-1].content
