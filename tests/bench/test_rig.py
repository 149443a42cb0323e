"""The benches count what they say they count, and leave nothing running."""

import os
import sys
import time
from collections.abc import Iterator

import pytest

from tests.bench.__main__ import table
from tests.bench.catalogue import names
from tests.bench.figures import Figure, Report
from tests.bench.rig.listeners import Listeners, Listening, ListeningFailed
from tests.bench.rig.load import HttpLoad, LoadClient, LoadFailed
from tests.bench.rig.process import CouldNotStart, announced, cpu_seconds, one_core
from tests.bench.rig.speech import Pace, post

_CONSTANTS = (sys.executable, "-m", "tests.bench.rig.constant_server")


@pytest.fixture(scope="module")
def client() -> Iterator[LoadClient]:
    with LoadClient() as running:
        yield running


@pytest.fixture(scope="module")
def constants() -> Iterator[str]:
    with announced(_CONSTANTS) as (_, address):
        yield address


@pytest.fixture(scope="module")
def listeners() -> Iterator[Listeners]:
    with Listeners() as listening:
        yield listening


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with announced((sys.executable, "-m", "tests.bench.rig.token_upstream")) as (_, url):
        yield url.removeprefix("http://").removesuffix("/v1")


def _speak(address: str, pace: Pace) -> bytes:
    return post(address, "/v1/chat/completions", "", {"messages": [{"role": "user", "content": pace.message}]})


def _load(address: str, route: str, *, events: int = 0) -> HttpLoad:
    request = f"POST {route} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n".encode()
    return HttpLoad(address, request, connections=2, seconds=0.05, events=events)


def test_every_reply_is_counted_with_its_bytes(client: LoadClient, constants: str) -> None:
    tally = client.run(_load(constants, "/bytes/1234"))
    assert tally.calls >= 2
    assert tally.body_bytes == tally.calls * 1234
    assert tally.events == 0


def test_every_event_is_counted_in_the_pieces_in_which_it_came(client: LoadClient, constants: str) -> None:
    tally = client.run(_load(constants, "/events/7/50", events=7))
    assert tally.events == tally.calls * 7
    assert tally.body_bytes == tally.events * 50
    assert tally.pieces >= tally.events


def test_a_stream_that_lacks_events_is_no_success(client: LoadClient, constants: str) -> None:
    with pytest.raises(LoadFailed, match="7 events"):
        client.run(_load(constants, "/events/7/50", events=9))


def test_a_target_that_is_not_there_is_no_success(client: LoadClient) -> None:
    with pytest.raises(LoadFailed):
        client.run(_load("127.0.0.1:1", "/bytes/1"))


def test_every_token_is_heard_behind_the_moment_at_which_it_was_said(listeners: Listeners, upstream: str) -> None:
    began = time.monotonic()
    heard = listeners.listen(Listening(upstream, (_speak(upstream, Pace(20, 500)),) * 3, b'"delta"', 0.01))
    assert len(heard) == 60
    assert all(began < token.said_at <= token.said_at + token.delay < time.monotonic() for token in heard)
    assert all(token.delay > 0 for token in heard)


def test_a_model_server_keeps_its_pace(listeners: Listeners, upstream: str) -> None:
    heard = listeners.listen(Listening(upstream, (_speak(upstream, Pace(20, 100)),), b'"delta"', 0.0))
    assert (
        heard[-1].said_at - heard[0].said_at > 0.1
    )  # 19 intervals of 10 ms; a late one may be followed by a short one


def test_a_stream_that_is_refused_or_cut_is_no_success(listeners: Listeners, constants: str) -> None:
    with pytest.raises(ListeningFailed):
        listeners.listen(Listening("127.0.0.1:1", (b"",), b"", 0.0))
    cut = b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-length: x\r\n\r\n"
    with pytest.raises(ListeningFailed, match="connection was closed"):
        listeners.listen(Listening(constants, (cut,), b"", 0.0))


def test_cpu_time_is_that_of_the_process() -> None:
    before = time.process_time()
    counted = cpu_seconds([os.getpid()])
    assert before <= counted <= time.process_time()


def test_what_is_measured_shares_one_core_for_the_length_of_a_block() -> None:
    before = os.sched_getaffinity(0)
    with one_core(), announced(_CONSTANTS) as (pid, _):
        assert os.sched_getaffinity(pid) == os.sched_getaffinity(0)
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_a_process_ends_with_its_block() -> None:
    with announced(_CONSTANTS) as (pid, _):
        assert cpu_seconds([pid]) > 0
    with pytest.raises(OSError, match=r"Invalid argument|No such process"):
        cpu_seconds([pid])


def test_a_process_that_does_not_start_says_why() -> None:
    with pytest.raises(CouldNotStart, match="No module named"), announced((sys.executable, "-m", "no_such_module")):
        pass


def test_every_bench_is_offered() -> None:
    shared = {"codec", "provider", "store", "transcoding"}
    assert shared | {"idle_streams", "live_streams", "recovery", "senders", "streams", "token_cost"} <= set(names())


def test_each_figure_stands_beside_its_bar() -> None:
    figures = [Figure("a", 9.0, 8.0, "1 us against 9 us"), Figure("b", 7.99, 8.0), Figure("c", 1.0)]
    lines = table(Report("Title", figures, ["a note"])).splitlines()
    assert lines == [
        "Title",
        "  a     9.00 x  bar 8   met      1 us against 9 us",
        "  b     7.99 x  bar 8   NOT MET",
        "  c     1.00 x",
        "  (a note)",
    ]
