"""Which addresses a tool server may be reached at."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from server.adapters.egress.addresses import AddressRefused, is_public, permitted_addresses, resolve

REFUSED = [
    "0.0.0.0",  # unspecified
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",  # carrier-grade NAT
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",  # link-local: the clouds' metadata
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.88.99.1",
    "192.0.2.1",  # documentation
    "192.168.1.1",
    "198.18.0.1",  # benchmarks
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",  # multicast
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:169.254.169.254",
    "::ffff:100.64.0.1",
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:a00:1::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
HIDDEN_PUBLIC = ["64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", REFUSED)
def test_private_and_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC, *HIDDEN_PUBLIC])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


async def test_one_private_address_refuses_the_host() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(AddressRefused, match=r"mixed\.example has an address"):
        await permitted_addresses("mixed.example", 443, allow_private=False, resolver=resolver)
    assert await permitted_addresses("mixed.example", 443, allow_private=True, resolver=resolver) == [
        "8.8.8.8",
        "10.0.0.1",
    ]


async def test_look_ups_that_do_not_end_keep_nothing_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def never(*_: object, **__: object) -> list[Any]:
        ended.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    looking = [asyncio.create_task(resolve("hooks.invalid", 443)) for _ in range(64)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
        assert not any(task.done() for task in looking)
    finally:
        ended.set()
        await asyncio.wait(looking)
