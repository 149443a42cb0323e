"""Names of tools as models see them: valid for every provider, stable, and one tool's only."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.tool_name import MOST_CHARACTERS, SERVER_NAME, exposed_name

VALID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
SERVERS = st.from_regex(SERVER_NAME, fullmatch=True).filter(str.isascii)
TOOLS = st.one_of(
    st.text(max_size=80),
    st.text("ab_-!é", max_size=6),
    st.from_regex(r"[a-z_!]{0,50}_[0-9a-f]{12}", fullmatch=True),
)


def test_a_plain_name_is_joined_to_its_servers() -> None:
    assert exposed_name("time", "get_current_time") == "time__get_current_time"


@pytest.mark.parametrize("tool", ["", "ä", "a b", "x" * 60, "a.b", "\ud800"])
def test_what_cannot_be_a_name_ends_in_a_digest_and_stays_recognisable(tool: str) -> None:
    name = exposed_name("time", tool)
    assert VALID.match(name)
    assert re.search(r"_[0-9a-f]{12}\Z", name)
    assert name.startswith("time__")


@given(SERVERS, TOOLS)
def test_every_name_is_valid_and_stable_and_tells_its_server(server: str, tool: str) -> None:
    name = exposed_name(server, tool)
    assert VALID.match(name)
    assert len(name) <= MOST_CHARACTERS
    assert name == exposed_name(server, tool)
    assert name.partition("_")[0] == server


@given(SERVERS, SERVERS, TOOLS, TOOLS)
def test_two_tools_never_share_a_name(one: str, other: str, first: str, second: str) -> None:
    assert (exposed_name(one, first) == exposed_name(other, second)) == ((one, first) == (other, second))


@given(SERVERS, st.text("ab!. ", min_size=1, max_size=40))
def test_no_tool_can_take_the_digested_name_of_another(server: str, victim: str) -> None:
    """A server that lists a tool under the very name that another tool of its has here gets a third one."""
    taken = exposed_name(server, victim)
    copied = taken.removeprefix(f"{server}__")
    assert copied == victim or exposed_name(server, copied) != taken
