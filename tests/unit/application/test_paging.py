"""Page tokens continue exactly the list they were made for, and nothing else."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.application.paging import cut, list_position, list_token, number_position, number_token
from server.domain.errors import InvalidPageToken
from server.ports.store import ListPosition

times = st.datetimes(timezones=st.just(UTC))


@given(time=times, identity=st.text(max_size=40))
def test_a_list_token_leads_back_to_its_position(time: datetime, identity: str) -> None:
    position = ListPosition(time=time, id=identity)
    assert list_position("threads", list_token("threads", position)) == position


@given(number=st.integers(0, 2**31 - 1))
def test_a_number_token_leads_back_to_its_number(number: int) -> None:
    assert number_position("messages", number_token("messages", number)) == number


@given(token=st.text(min_size=1, max_size=60))
def test_a_forged_token_is_refused_by_name(token: str) -> None:
    for read in (list_position, number_position):
        with pytest.raises(InvalidPageToken):
            read("threads", token)


@pytest.mark.parametrize("parts", [["threads", "2026-01-01T00:00:00+00:00", "\ud800"], ["threads", "", ""]])
def test_a_forged_position_that_is_no_text_or_no_time_is_refused(parts: list[str]) -> None:
    token = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
    with pytest.raises(InvalidPageToken):
        list_position("threads", token)


def test_a_token_of_another_list_is_refused() -> None:
    token = number_token("messages/1", 5)
    with pytest.raises(InvalidPageToken):
        number_position("messages/2", token)


def test_only_a_page_with_more_behind_it_has_a_token() -> None:
    assert cut([1, 2], 2, str).next_token is None
    page = cut([1, 2, 3], 2, str)
    assert (page.items, page.next_token) == ([1, 2], "2")
    assert cut([1, 2, 3], None, str).next_token is None
