"""Addresses as people write them."""

import pytest

from server.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.8.9.1:0", "127.8.9.1", 0, True),
        ("localhost:1", "localhost", 1, True),
        ("[::1]:65535", "::1", 65535, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::]:80", "::", 80, False),
        ("10.0.0.7:80", "10.0.0.7", 80, False),
        ("example.org:80", "example.org", 80, False),
        # A name that only looks like loopback is whatever its owner says.
        ("127.0.0.1.example.org:80", "127.0.0.1.example.org", 80, False),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, host: str, port: int, loopback: bool) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, address.is_loopback, str(address)) == (host, port, loopback, text)


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "host", "host:", "host:http", "host:65536", "host:-1", "::1:80", "h:²"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected HOST:PORT|in brackets"):
        Address.parse(text)
