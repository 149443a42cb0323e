"""What the pipeline reads of metadata."""

import pytest

from server.domain.errors import InvalidField
from server.rpc.interceptors.metadata import read


@pytest.mark.parametrize(
    ("metadata", "credentials"),
    [
        ([], []),
        ([("x-api-key", "k")], ["k"]),
        ([("uni-api-key", "k")], ["k"]),
        ([("authorization", "Bearer k")], ["k"]),
        ([("authorization", "bEARER   k ")], ["k"]),
        ([("authorization", "Basic k")], ["Basic k"]),
        ([("authorization", "k")], ["k"]),
        ([("authorization", "Bearer ")], []),
        ([("x-api-key", "  ")], []),
        ([("x-api-key", "k"), ("authorization", "Bearer k"), ("uni-api-key", " k")], ["k", "k", "k"]),
        ([("x-api-key", "a"), ("authorization", "Bearer b"), ("x-api-key", "c")], ["a", "b", "c"]),
        ([("x-api-key", ""), ("authorization", "Bearer k")], ["k"]),
        ([("user-agent", "x"), ("x-api-key-bin", b"k")], []),
    ],
)
def test_a_credential_is_found_in_each_header(metadata: list[tuple[str, str | bytes]], credentials: list[str]) -> None:
    assert read(metadata).credentials == credentials


def test_a_subject_is_read_as_it_is_and_may_be_given_once() -> None:
    assert read([]).on_behalf_of() is None
    assert read([("x-on-behalf-of", "")]).on_behalf_of() == ""
    assert read([("x-on-behalf-of", "bert")]).on_behalf_of() == "bert"
    with pytest.raises(InvalidField):
        read([("x-on-behalf-of", "bert"), ("x-on-behalf-of", "bert")]).on_behalf_of()


@pytest.mark.parametrize("sane", ["7", "a-B_c.d:e/f+g=", "x" * 128])
def test_a_sane_request_id_is_kept(sane: str) -> None:
    assert read([("x-request-id", sane)]).request_id == sane


@pytest.mark.parametrize("odd", ["", " ", "a b", "x" * 129, "a\n", "ä", '"'])
def test_an_odd_request_id_is_dropped(odd: str) -> None:
    assert read([("x-request-id", odd)]).request_id is None
