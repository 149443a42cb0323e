"""Reads the deadlines that callers ask for."""

import re

from gateway.core.problem import invalid

GRPC_TIMEOUT = "grpc-timeout"
CONNECT_TIMEOUT = "connect-timeout-ms"
_GRPC = re.compile(r"([0-9]{1,8})([HMSmun])")
_CONNECT = re.compile(r"[0-9]{1,10}")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def seconds_asked(grpc_timeout: bytes | None, connect_timeout: bytes | None) -> float | None:
    """Give the shorter of the two deadlines in seconds, or None when the caller names none; raises `Refused`."""
    if grpc_timeout is None and connect_timeout is None:
        return None
    asked = [
        read(raw.decode("latin-1"))
        for raw, read in ((grpc_timeout, _from_grpc), (connect_timeout, _from_connect))
        if raw is not None
    ]
    return min(asked)


def _from_grpc(text: str) -> float:
    match = _GRPC.fullmatch(text)
    if match is None:
        raise invalid(GRPC_TIMEOUT, "must be up to 8 digits and a unit of H, M, S, m, u, n", reason="INVALID_HEADER")
    return int(match[1]) * _UNITS[match[2]]


def _from_connect(text: str) -> float:
    if not _CONNECT.fullmatch(text):
        raise invalid(CONNECT_TIMEOUT, "must be milliseconds, up to 10 digits", reason="INVALID_HEADER")
    return int(text) / 1000
