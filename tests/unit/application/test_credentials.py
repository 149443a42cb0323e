"""What a call presents: which texts go together, and which do not."""

import pytest

from server.application.credentials import Credentials, presented
from server.domain.errors import KeyConflict, KeyMissing

SECRET, OTHER, PUBLISHABLE, TOKEN = "sk_live_a", "sk_live_b", "pk_live_a", "a.b.c"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([SECRET], Credentials(key=SECRET)),
        ([SECRET, SECRET, SECRET], Credentials(key=SECRET)),
        ([PUBLISHABLE], Credentials(key=PUBLISHABLE)),
        ([TOKEN], Credentials(token=TOKEN)),
        ([TOKEN, TOKEN], Credentials(token=TOKEN)),
        ([PUBLISHABLE, TOKEN], Credentials(PUBLISHABLE, TOKEN)),
        ([TOKEN, PUBLISHABLE, TOKEN], Credentials(PUBLISHABLE, TOKEN)),
        (["Basic x"], Credentials(key="Basic x")),
    ],
)
def test_one_credential_counts_and_a_publishable_key_with_a_token(texts: list[str], found: Credentials) -> None:
    assert presented(texts) == found


@pytest.mark.parametrize(
    "texts",
    [
        [SECRET, OTHER],
        [SECRET, TOKEN],
        [TOKEN, SECRET],
        [TOKEN, "d.e.f"],
        [SECRET, PUBLISHABLE],
        [PUBLISHABLE, "pk_live_b"],
        [PUBLISHABLE, TOKEN, "d.e.f"],
        [PUBLISHABLE, "pk_live_b", TOKEN],
        ["ayeto-0", TOKEN],
    ],
)
def test_two_different_credentials_conflict(texts: list[str]) -> None:
    with pytest.raises(KeyConflict):
        presented(texts)


def test_nothing_is_missing_a_credential() -> None:
    with pytest.raises(KeyMissing):
        presented([])
