"""The address of a caller is the nearest that nobody untrusted has claimed."""

from ipaddress import ip_network

import pytest

from server.rpc.interceptors.peers import UNKNOWN, Peers

PEERS = Peers([ip_network("10.0.0.0/8"), ip_network("127.0.0.1"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:4711", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:4711", "2001:db8::1"),
        ("ipv6:[2001:db8:0:0::1]:4711", "2001:db8::1"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:4711", "192.0.2.1"),
        ("unix:/run/parley.sock", UNKNOWN),
        ("unknown", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_the_other_end_is_known_by_one_text(peer: str, address: str) -> None:
    assert Peers().address(peer, []) == PEERS.address(peer, []) == address


def test_nobody_is_believed_unless_configured() -> None:
    assert Peers().address("ipv4:127.0.0.1:1", ["192.0.2.7"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        # A trusted proxy names its client.
        ("ipv4:10.0.0.1:1", ["192.0.2.7"], "192.0.2.7"),
        ("ipv6:%5Bfd00::1%5D:1", ["2001:db8::7"], "2001:db8::7"),
        # An untrusted end is taken for what it is.
        ("ipv4:192.0.2.1:1", ["192.0.2.7"], "192.0.2.1"),
        # What the client wrote itself stands to the left.
        ("ipv4:10.0.0.1:1", ["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
        ("ipv4:10.0.0.1:1", ["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
        ("ipv4:10.0.0.1:1", ["10.9.9.9, 192.0.2.7"], "192.0.2.7"),
        # Two proxies, one behind the other.
        ("ipv4:10.0.0.1:1", ["203.0.113.9, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        # All are trusted: the first of them is the caller.
        ("ipv4:10.0.0.1:1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # What is no address ends the chain.
        ("ipv4:10.0.0.1:1", ["192.0.2.7, unknown"], "10.0.0.1"),
        ("ipv4:10.0.0.1:1", ["192.0.2.7, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("ipv4:10.0.0.1:1", [""], "10.0.0.1"),
        ("ipv4:10.0.0.1:1", [], "10.0.0.1"),
        # Ports and other spellings.
        ("ipv4:10.0.0.1:1", ["192.0.2.7:4711"], "192.0.2.7"),
        ("ipv4:10.0.0.1:1", ["[2001:DB8::7]:4711"], "2001:db8::7"),
        ("ipv4:10.0.0.1:1", ["::ffff:192.0.2.7"], "192.0.2.7"),
    ],
)
def test_proxies_are_believed_as_far_as_they_are_trusted(peer: str, forwarded: list[str], address: str) -> None:
    assert PEERS.address(peer, forwarded) == address
