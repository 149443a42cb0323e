"""Whatever bytes come: a reply below 500, in time, and errors in the body of a dialect."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config import GatewayConfig
from tests.support.toy.served import KINDS, serving

BODY = {
    "text",
    "number",
    "wide",
    "flag",
    "color",
    "blob",
    "ratio",
    "names",
    "labels",
    "inner",
    "when",
    "span",
    "mask",
    "free",
}
PIECES = [
    "v1", "samples", "match", "shelves", "books", "typed", "number", "when", "act", "stream", "quirks", "echo", "raw",
    "toy.v1.Forms", "EchoQuery", "", ".", "..", "%2F", "%", "%zz", "%ff", "a:verb", ":verb", "**", "*", "{v}", "%00",
    "€",
]  # fmt: skip
path_pieces = st.one_of(st.sampled_from(PIECES), st.text(max_size=6))
paths = st.lists(path_pieces, max_size=6).map(lambda pieces: "/" + "/".join(pieces))
names = st.one_of(
    st.sampled_from([*sorted(BODY), "inner.text", "inner.deeper.number", "a.b", "this", "that", "maybe"]),
    st.text(max_size=5),
)
values = st.one_of(
    st.sampled_from(["", "1", "-1", "1e5", "true", "red", "2020-01-01T00:00:00Z", "1s", "%41", "+", "="]),
    st.text(max_size=8),
)
queries = st.lists(st.tuples(names, values), max_size=5).map(lambda pairs: "&".join(f"{a}={b}" for a, b in pairs))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=8,
)
bodies = st.one_of(
    st.binary(max_size=60),
    trees.map(lambda tree: json.dumps(tree).encode()),
    trees.map(lambda tree: json.dumps(tree).encode()[:-1]),
    st.dictionaries(names, trees, max_size=5).map(lambda tree: json.dumps(tree).encode()),
)
header_names = st.one_of(
    st.sampled_from([
        "content-type", "accept", "accept-encoding", "content-encoding", "grpc-timeout", "connect-timeout-ms", "origin",
        "x-api-key", "authorization", "last-event-id", "x-request-id", "traceparent", "idempotency-key", "expect",
    ]),
    st.text(alphabet="abcxyz-_", min_size=1, max_size=8),
)  # fmt: skip
header_values = st.one_of(
    st.sampled_from(["application/json", "application/json; charset=x", "gzip", "identity", "*/*"]),
    st.sampled_from(["text/event-stream", "1S", "5", "100-continue", "https://app.example"]),
    st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")),
)  # fmt: skip
headers = st.lists(st.tuples(header_names, header_values), max_size=5)
methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "REPORT", "TRACE"])


class Fuzzed:
    """A running gateway on a loop of its own, which Hypothesis' synchronous tests can ask."""

    def __init__(self, kind: str) -> None:
        self._runner = asyncio.Runner()
        # Long enough for a pause of a busy machine, and of this client with it; short enough for requests without end.
        config = GatewayConfig(body_timeout=2, head_timeout=2, unary_timeout=5, timeout_cap=5)
        self._context = serving(kind, config=config)
        self._served = self._runner.run(self._context.__aenter__())

    def ask(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send raw bytes on a connection of their own; give the last reply to them."""
        return self._runner.run(asyncio.wait_for(self._ask(raw), 10))

    async def _ask(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._served.port)
        try:
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            while head.startswith(b"HTTP/1.1 100"):
                head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines)
            length = int(fields.get("content-length", "0"))
            body = b"" if raw.startswith(b"HEAD ") else await reader.readexactly(length)
            return int(first.split()[1]), fields, body
        finally:
            writer.close()

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture(scope="module", params=KINDS)
def fuzzed(request: pytest.FixtureRequest) -> Iterator[Fuzzed]:
    running = Fuzzed(request.param)
    yield running
    running.close()


FUZZ = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def check(status: int, fields: dict[str, str], body: bytes, *, is_head: bool = False) -> None:
    """A reply may be a success or a client's error; an error is JSON of one of the toy's dialects, or Connect's."""
    assert 200 <= status < 500, (status, body)
    if status < 400 or is_head:
        return
    assert fields["content-type"] == "application/json"
    error: Any = json.loads(body)
    assert not error.keys().isdisjoint({"detail", "error", "failed", "code"})


def head_of(method: str, target: str, fields: list[tuple[str, str]], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields if "\r" not in value and "\n" not in value)
    length = f"content-length: {len(body)}\r\n" if body else ""
    target_bytes = target.encode(errors="surrogatepass").replace(b" ", b"%20")
    return (
        method.encode()
        + b" "
        + target_bytes
        + b" HTTP/1.1\r\nhost: toy\r\n"
        + (lines + length).encode("latin-1")
        + b"\r\n"
        + body
    )


requests = st.builds(
    lambda method, path, query, fields, body: head_of(method, f"{path}?{query}" if query else path, fields, body),
    methods,
    paths,
    queries,
    headers,
    bodies,
)


@given(raw=requests)
@FUZZ
def test_requests_of_any_shape(fuzzed: Fuzzed, raw: bytes) -> None:
    check(*fuzzed.ask(raw), is_head=raw.startswith(b"HEAD "))


@given(
    body=bodies,
    path=st.sampled_from(["/v1/samples", "/v1/samples:inner", "/v1/samples:value", "/quirks/echo", "/v1/act"]),
)
@FUZZ
def test_json_bodies_of_any_shape(fuzzed: Fuzzed, body: bytes, path: str) -> None:
    raw = head_of("POST", path, [("content-type", "application/json")], body)
    check(*fuzzed.ask(raw))


@given(query=queries)
@FUZZ
def test_queries_of_any_shape(fuzzed: Fuzzed, query: str) -> None:
    check(*fuzzed.ask(head_of("GET", "/v1/samples?" + query, [], b"")))


# Empty lines before a request are no request yet (RFC 9112, 2.2): nothing is answered to them.
@given(raw=st.binary(min_size=1, max_size=200).filter(lambda raw: raw.strip(b"\r\n")))
@settings(FUZZ, max_examples=60)
def test_bytes_of_any_kind(fuzzed: Fuzzed, raw: bytes) -> None:
    check(*fuzzed.ask(raw + b"\r\n\r\n"))
