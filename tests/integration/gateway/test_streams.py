"""Streams: framing, the held head, early and late errors, the explicit end, ids and resuming, heartbeats."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.support.toy.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = {"accept": "application/x-ndjson"}


async def test_server_sent_events(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=2")
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.text == (
        'id: 1\nevent: tick\ndata: {"text":"tick 1"}\n\n'
        'id: 2\nevent: tick\ndata: {"text":"tick 2"}\n\n'
        "event: end\ndata: {}\n\n"
    )


async def test_lines(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1", headers=LINES)
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in reply.text.splitlines()] == [
        {"event": "tick", "id": "1", "data": {"text": "tick 1"}},
        {"event": "end", "data": {}},
    ]


@pytest.mark.parametrize(
    ("path", "accept", "kind_"),
    [
        ("/v1/stream", "*/*", "text/event-stream"),
        ("/v1/stream", "application/json", "text/event-stream"),
        ("/v1/stream", "application/x-ndjson", "application/x-ndjson"),
        ("/v1/stream", "application/x-ndjson;q=0.5, text/event-stream", "text/event-stream"),
        ("/v1/stream", "application/x-ndjson, text/event-stream;q=0.1", "application/x-ndjson"),
        ("/v1/stream", "application/x-ndjson;q=0", "text/event-stream"),
        ("/v1/stream:lines", "*/*", "application/x-ndjson"),
        ("/v1/stream:lines", "text/event-stream", "text/event-stream"),
    ],
)
async def test_accept_chooses_the_framing_else_the_method_does(
    served: Served, path: str, accept: str, kind_: str
) -> None:
    reply = await served.client.get(path, headers={"accept": accept})
    assert reply.headers["content-type"] == kind_


async def test_a_route_answers_with_one_reply_or_with_its_stream_as_the_request_asks(served: Served) -> None:
    whole = await served.client.post("/v1/act:live", json={"size": 3})
    assert (whole.status_code, whole.headers["content-type"]) == (202, "application/json")
    assert whole.json()["text"] == "xxx"
    assert (await served.client.get("/v1/act:live?size=3&live=false")).json() == "xxx"
    for stream in (
        await served.client.post("/v1/act:live", json={"events": 1, "live": True}),
        await served.client.get("/v1/act:live?events=1&live=true"),
    ):
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.text == 'id: 1\nevent: tick\ndata: {"text":"tick 1"}\n\nevent: end\ndata: {}\n\n'


async def test_a_stream_on_the_route_of_a_unary_method_is_a_stream_in_all(served: Served) -> None:
    live = {"events": 1, "live": True}
    lines = await served.client.post("/v1/act:live", json=live, headers=LINES)
    assert lines.headers["content-type"] == "application/x-ndjson"
    resumed = await served.client.post("/v1/act:live", json=live, headers={"last-event-id": "7"})
    assert resumed.text.startswith("id: 8\n")
    # The deadline of the unary method is not the stream's.
    slow = await served.client.post("/v1/act:live", json={**live, "delay": 1.2})
    assert "tick 1" in slow.text
    assert (await served.client.post("/v1/act:live", json={"delay": 1.2})).status_code == 504
    failed = await served.client.post("/v1/act:live", json={"live": True, "code": 9, "message": "no"})
    assert (failed.status_code, failed.json()["text"]) == (412, "no")


async def test_a_dialect_may_write_whole_messages(served: Served) -> None:
    reply = await served.client.get("/v1/stream:whole?events=1")
    assert reply.text.startswith('id: 1\nevent: tick\ndata: {"sequence":"1","tick":{"text":"tick 1"}}\n\n')


async def test_a_streams_own_last_event_needs_no_end(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1&finale=true")
    assert reply.text.endswith('id: 2\nevent: finale\ndata: {"count":1}\n\n')


async def test_a_stream_without_events_ends_explicitly(served: Served) -> None:
    assert (await served.client.get("/v1/stream")).text == "event: end\ndata: {}\n\n"


async def test_a_servicer_that_writes_through_its_context(served: Served) -> None:
    reply = await served.client.get("/v1/stream:context?events=3")
    assert reply.text.count("event: tick") == 3
    assert reply.text.endswith("event: end\ndata: {}\n\n")


async def test_an_early_failure_is_a_real_status(served: Served) -> None:
    reply = await served.client.get("/v1/stream?code=5&message=none&reason=NO_SUCH_TOY&retry=3")
    assert (reply.status_code, reply.headers["content-type"]) == (410, "application/json")
    assert (reply.json()["text"], reply.headers["retry-after"]) == ("the toy Duck is gone", "3")
    assert "content-length" in reply.headers


@pytest.mark.parametrize("events", [1, 5, 40])
async def test_a_later_failure_is_an_error_event_with_the_error_body(served: Served, events: int) -> None:
    reply = await served.client.get(f"/v1/stream?events={events}&code=5&message=none")
    assert reply.status_code == 200
    *ticks, last, rest = reply.text.split("\n\n")
    assert (len(ticks), rest) == (events, "")
    head, _, data = last.partition("\ndata: ")
    assert head == "event: error"
    assert json.loads(data) == json.loads((await served.client.get("/v1/act?code=5&message=none")).text)


async def test_a_later_failure_in_lines(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1&code=5", headers=LINES)
    last = json.loads(reply.text.splitlines()[-1])
    assert (last["event"], last["data"]["code"]) == ("error", "NOT_FOUND")


async def test_the_head_is_held_for_a_while_only(served: Served) -> None:
    """After the hold the head goes out; a failure that comes later still is an event."""
    async with served.client.stream("GET", "/v1/stream?delay=0.6&code=5") as reply:
        assert reply.status_code == 200
        text = (await reply.aread()).decode()
    assert "event: error" in text


@pytest.mark.parametrize(("events", "status"), [(0, 500), (2, 200)])
async def test_an_encoding_failure_is_an_error_event_too(served: Served, events: int, status: int) -> None:
    reply = await served.client.get(f"/v1/stream?events={events}&unwritable=true")
    assert reply.status_code == status
    assert "UNWRITABLE_REPLY" in reply.text
    assert reply.text.count("event: tick") == events


async def test_an_exception_is_an_error_event_without_its_text(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1&crash=secret")
    assert "Unexpected error in the service." in reply.text
    assert "secret" not in reply.text


async def test_last_event_id_sets_the_cursor_field(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1", headers={"last-event-id": "41"})
    assert reply.text.startswith("id: 42\n")


async def test_a_cursor_given_otherwise_wins(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1&after=6", headers={"last-event-id": "41"})
    assert reply.text.startswith("id: 7\n")
    reply = await served.client.post("/v1/stream", json={"events": 1, "after": "6"}, headers={"last-event-id": "41"})
    assert reply.text.startswith("id: 7\n")


async def test_an_empty_last_event_id_means_that_nothing_was_seen(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1", headers={"last-event-id": ""})
    assert reply.status_code == 200
    assert reply.text == (await served.client.get("/v1/stream?events=1")).text


async def test_a_bad_last_event_id_is_400_and_names_it(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1", headers={"last-event-id": "x"})
    assert (reply.status_code, "Last-Event-ID" in reply.json()["text"]) == (400, True)


async def test_silence_is_filled_with_heartbeats(served: Served) -> None:
    async with served.client.stream("GET", "/v1/stream?events=1&linger=true") as reply:
        text = ""
        async for piece in reply.aiter_text():
            text += piece
            if text.count(": heartbeat\n\n") == 2:
                break
    assert text.startswith("id: 1\n")


async def test_lines_have_no_heartbeats(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=2&pause=0.2", headers=LINES)
    assert len(reply.text.splitlines()) == 3


async def test_events_go_out_as_they_come(served: Served) -> None:
    async with served.client.stream("GET", "/v1/stream?events=1&linger=true") as reply:
        first = await asyncio.wait_for(anext(reply.aiter_text()), 5)
    assert "tick 1" in first


async def test_head_does_not_start_the_call(served: Served) -> None:
    reply = await served.client.head("/v1/stream?events=1")
    assert (reply.status_code, reply.headers["content-type"], reply.content) == (200, "text/event-stream", b"")
    assert served.record.calls == 0


async def test_streams_are_never_compressed(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=30&size=1000", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in reply.headers


async def test_raw_streams_have_the_type_of_their_first_message(served: Served) -> None:
    reply = await served.client.get("/v1/stream:raw?events=2")
    assert (reply.headers["content-type"], reply.text) == ("text/x-toy", "part 0\npart 1\n")


async def test_a_raw_stream_waits_for_its_first_message(served: Served) -> None:
    """However long it takes: the type of its bytes is known only then."""
    reply = await served.client.get("/v1/stream:raw?events=1&delay=0.3")
    assert (reply.headers["content-type"], reply.text) == ("text/x-toy", "part 0\n")


async def test_a_raw_stream_says_how_long_it_is_and_that_it_is_a_part(served: Served) -> None:
    headers = ["body-length=14", "content-range=bytes 5-18/99", 'etag="x"', "accept-ranges=bytes"]
    told: dict[str, Any] = {"events": 2, "headers": headers}
    reply = await served.client.get("/v1/stream:raw", params=told)
    assert (reply.status_code, reply.text) == (206, "part 0\npart 1\n")
    shown = {name: reply.headers.get(name) for name in ("content-length", "content-range", "etag", "accept-ranges")}
    assert shown == {"content-length": "14", "content-range": "bytes 5-18/99", "etag": '"x"', "accept-ranges": "bytes"}
    assert "body-length" not in reply.headers


async def test_a_length_that_is_none_is_not_told(served: Served) -> None:
    reply = await served.client.get("/v1/stream:raw", params={"events": 1, "headers": "body-length=-1"})
    assert (reply.status_code, reply.text) == (200, "part 0\n")
    assert "content-length" not in reply.headers


async def test_a_raw_stream_shorter_than_it_said_is_no_whole_reply(served: Served) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await served.client.get("/v1/stream:raw", params={"events": 1, "headers": "body-length=99"})


async def test_head_of_a_raw_stream_is_what_its_messages_tell(served: Served) -> None:
    told: dict[str, Any] = {"events": 2, "headers": ["body-length=14", "accept-ranges=bytes"]}
    reply = await served.client.head("/v1/stream:raw", params=told, headers={"x-part": "no part of it"})
    assert (reply.status_code, reply.content) == (200, b"")
    assert (reply.headers["content-type"], reply.headers["content-length"]) == ("text/x-toy", "14")
    refused = await served.client.head("/v1/stream:raw", params={"code": 5})
    assert refused.status_code == 404


async def test_a_header_sets_its_field_and_no_query_does(served: Served) -> None:
    reply = await served.client.get("/v1/stream:raw", headers={"x-part": "some"})
    assert reply.text == "some"
    assert (await served.client.get("/v1/stream:raw?part=some")).status_code == 400
    body = {"part": "own"}
    reply = await served.client.post("/toy.v1.Calls/StreamRaw", json=body, headers={"x-part": "some"})
    assert reply.text == "own"


async def test_every_stream_has_a_path_of_its_own(served: Served) -> None:
    reply = await served.client.post("/toy.v1.Calls/Stream", json={"events": 1})
    assert reply.text.endswith("event: end\ndata: {}\n\n")
