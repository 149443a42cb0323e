"""Wrong credentials by address: the limit, what counts as one address, who is spared, and how much is remembered."""

import pytest
from structlog.testing import capture_logs

from server.application.failed_authentications import FailedAuthentications
from server.domain.limit_errors import AuthenticationFailsTooOften
from tests.integration.rpc.manual_clock import ManualClock

HERE = "192.0.2.1"


def failures(limit: int = 3, most: int = 100) -> tuple[FailedAuthentications, ManualClock]:
    clock = ManualClock()
    return FailedAuthentications(clock=clock, limit=limit, most=most), clock


def is_open(guard: FailedAuthentications, address: str | None, *credentials: str) -> bool:
    try:
        guard.check(address, credentials or ("another",))
    except AuthenticationFailsTooOften:
        return False
    return True


def test_over_the_limit_nothing_is_looked_at_until_the_stated_time_is_over() -> None:
    guard, clock = failures()
    for remaining in (2, 1, 0):
        assert is_open(guard, HERE)
        standing = guard.failed(HERE, ["wrong"])
        assert standing is not None
        assert standing.remaining == remaining
    with pytest.raises(AuthenticationFailsTooOften) as caught:
        guard.check(HERE, ["wrong"])
    assert caught.value.retry_after.total_seconds() == 61
    assert is_open(guard, "192.0.2.2")
    assert not is_open(guard, HERE)
    guard.check(HERE, [])  # nothing is shown that could be wrong
    clock.move(61)
    assert is_open(guard, HERE)


def test_those_that_fail_together_are_told_of_the_limit_as_well() -> None:
    guard, _ = failures(limit=2)
    for _ in range(2):
        guard.failed(HERE, ["wrong"])
    with pytest.raises(AuthenticationFailsTooOften):
        guard.failed(HERE, ["looked up at the same time"])


def test_a_credential_that_was_valid_here_is_looked_at_until_it_fails() -> None:
    guard, _ = failures()
    guard.succeeded(["good"])
    for _ in range(3):
        guard.failed(HERE, ["wrong"])
    assert is_open(guard, HERE, "good")
    assert not is_open(guard, HERE, "good", "wrong")
    with pytest.raises(AuthenticationFailsTooOften):
        guard.failed(HERE, ["good"])  # revoked meanwhile
    assert not is_open(guard, HERE, "good")


def test_an_ipv6_network_of_64_bits_is_one_address() -> None:
    guard, _ = failures(limit=2)
    guard.failed("2001:db8:0:1::1", ["wrong"])
    guard.failed("2001:db8:0:1:ffff::2", ["wrong"])
    assert not is_open(guard, "2001:db8:0:1:abcd:ef01:2345:6789")
    assert is_open(guard, "2001:db8:0:2::1")


def test_addresses_that_nobody_knows_are_not_limited() -> None:
    guard, _ = failures(limit=1)
    assert guard.failed(None, ["wrong"]) is None
    assert is_open(guard, None)
    assert len(guard) == 0


def test_without_a_limit_nothing_is_counted() -> None:
    guard, _ = failures(limit=0)
    assert guard.failed(HERE, ["wrong"]) is None
    assert len(guard) == 0


def test_a_spray_of_addresses_takes_no_more_memory_than_so_many() -> None:
    guard, _ = failures(limit=3, most=50)
    for number in range(5000):
        guard.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", ["wrong"])
        guard.succeeded([f"key {number}"])
    assert len(guard) == 50
    assert len(guard._proven) <= 16384


def test_the_log_says_once_that_an_address_fails_too_often() -> None:
    guard, _ = failures(limit=2)
    with capture_logs() as logged:
        for _ in range(2):
            guard.failed("2001:db8::1", ["sk_live_secret"])
        assert not is_open(guard, "2001:db8::1")
    (line,) = logged
    assert (line["event"], line["address"]) == ("authentication_fails_too_often", "2001:db8::/64")
    assert "secret" not in repr(line)
