"""What busy servers and broken connections do is repeated where that is safe, and is a clear failure beyond that."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.adapters.blobs.s3.blobs import S3Blobs
from server.adapters.system import SystemIds
from server.domain.errors import FileNotFound, StoreUnavailable
from server.domain.ids import FileId
from tests.support.s3.fixtures import opened_s3
from tests.support.s3.proxy import Fault, FaultyProxy
from tests.support.s3.server import S3Server

PIECE = 256 * 1024
PART = 8 * 2**20
SLOW_DOWN = Fault(status=503, code="SlowDown")
BROKEN = Fault(status=500, code="InternalError")
DENIED = Fault(status=403, code="AccessDenied")
LOST = Fault(loses_reply=True)
PASSING = [SLOW_DOWN, BROKEN, LOST, Fault(status=500), Fault(status=429), Fault(status=400, code="RequestTimeout")]


def new_id() -> FileId:
    return FileId(str(SystemIds().uuid()))


async def read(bucket: S3Blobs, file_id: FileId) -> bytes:
    return b"".join([piece async for piece in bucket.read(file_id)])


async def take(reading: AsyncIterator[bytes], got: bytearray) -> None:
    async for piece in reading:
        got += piece


async def write(bucket: S3Blobs, file_id: FileId, content: bytes) -> None:
    async with bucket.draft(file_id) as draft:
        for start in range(0, len(content), PIECE):
            await draft.write(content[start : start + PIECE])
        await draft.finish()


async def uploads_left(bucket: S3Blobs, proxy: FaultyProxy) -> int:
    """How many uploads in parts were under way."""
    before = proxy.count("DELETE .*uploadId=")
    async for _ in bucket.stale(datetime.now(UTC) + timedelta(hours=1), batch=100):
        pass
    return proxy.count("DELETE .*uploadId=") - before


@pytest.mark.parametrize("fault", PASSING)
async def test_every_request_is_repeated_when_a_failure_may_pass(
    bucket: S3Blobs, proxy: FaultyProxy, fault: Fault
) -> None:
    file_id, other, content = new_id(), new_id(), os.urandom(PART + 3 * PIECE)
    for pattern in (r"POST .*uploads=", "PUT .*partNumber=1&", "PUT .*partNumber=2&", "POST .*uploadId=", "PUT [^?]*$"):
        proxy.breaks(pattern, fault, fault)
    if fault.status != 400:  # what HEAD is answered has no body, and so no code
        proxy.breaks("HEAD ", *[fault] * 2)
    proxy.breaks("GET .*list-type", fault)
    proxy.breaks("GET [^?]*$", *[fault] * 2)
    proxy.breaks("DELETE [^?]*$", fault)
    proxy.breaks(r"POST .*\?delete=", fault)
    await write(bucket, file_id, content)
    await bucket.put(other, b"small")
    assert await bucket.size(file_id) == len(content)
    assert (await read(bucket, file_id), await read(bucket, other)) == (content, b"small")
    await bucket.delete([other])
    await bucket.delete([file_id, other])
    assert [found async for found in bucket.stale(datetime.now(UTC) + timedelta(hours=1), batch=100)] == []


@pytest.mark.parametrize(("fault", "attempts"), [(SLOW_DOWN, 4), (DENIED, 1), (Fault(status=400, code="BadDigest"), 1)])
async def test_a_failure_that_stays_is_told_after_as_many_attempts_as_it_is_worth(
    bucket: S3Blobs, proxy: FaultyProxy, fault: Fault, attempts: int
) -> None:
    proxy.breaks("", *[fault] * 10)
    with pytest.raises(StoreUnavailable):
        await bucket.put(new_id(), b"x")
    assert len(proxy.seen) == attempts
    with pytest.raises(StoreUnavailable):
        await bucket.size(new_id())


async def test_an_upload_whose_last_reply_is_lost_is_whole_and_told_so(bucket: S3Blobs, proxy: FaultyProxy) -> None:
    """The server has forgotten the upload when it is asked again."""
    file_id, content = new_id(), os.urandom(2 * PART)
    proxy.breaks("POST .*uploadId=", LOST)
    await write(bucket, file_id, content)
    assert proxy.count("POST .*uploadId=") == 2
    assert await read(bucket, file_id) == content


async def test_an_upload_that_is_refused_at_its_end_with_success_is_repeated(
    bucket: S3Blobs, proxy: FaultyProxy
) -> None:
    """Amazon answers the end of an upload at once, and says in the body whether it came to it."""
    file_id, content = new_id(), os.urandom(PART + 1)
    proxy.breaks("POST .*uploadId=", Fault(status=200, code="InternalError"))
    await write(bucket, file_id, content)
    assert proxy.count("POST .*uploadId=") == 2
    assert await read(bucket, file_id) == content


async def test_an_upload_that_cannot_be_ended_leaves_nothing(bucket: S3Blobs, proxy: FaultyProxy) -> None:
    file_id = new_id()
    proxy.breaks("POST .*uploadId=", *[BROKEN] * 4)
    with pytest.raises(StoreUnavailable):
        await write(bucket, file_id, bytes(PART))
    assert await bucket.size(file_id) is None
    assert await uploads_left(bucket, proxy) == 0


async def test_an_upload_that_vanished_is_no_content(bucket: S3Blobs, proxy: FaultyProxy) -> None:
    """Somebody else ended it; that there is no object must not pass for success."""
    proxy.breaks("POST .*uploadId=", Fault(status=404, code="NoSuchUpload"))
    with pytest.raises(StoreUnavailable):
        await write(bucket, new_id(), bytes(PART))


async def test_what_could_not_be_given_up_is_found_and_dropped_when_it_is_stale(
    bucket: S3Blobs, proxy: FaultyProxy
) -> None:
    proxy.breaks("DELETE .*uploadId=", *[BROKEN] * 4)
    async with bucket.draft(new_id()) as draft:
        await draft.write(bytes(PART))
    assert [found async for found in bucket.stale(datetime.now(UTC) - timedelta(hours=1), batch=10)] == []
    assert await uploads_left(bucket, proxy) == 1
    assert await uploads_left(bucket, proxy) == 0


@pytest.mark.parametrize("cuts", [[0], [1], [PIECE, PIECE + 1, 0, 5], [0, 0, 0]])
async def test_a_body_that_is_cut_is_read_on_where_it_broke_off(
    bucket: S3Blobs, proxy: FaultyProxy, cuts: list[int]
) -> None:
    file_id, content = new_id(), os.urandom(8 * PIECE)
    await bucket.put(file_id, content)
    proxy.breaks("GET ", *(Fault(reply_bytes=cut) for cut in cuts))
    assert await read(bucket, file_id) == content
    resumed = [each.headers for each in proxy.seen if each.line.startswith("GET ")][1:]
    assert len(resumed) == len(cuts)
    assert all("if-match" in headers for headers in resumed)


async def test_a_part_that_is_cut_is_read_on_to_its_end(bucket: S3Blobs, proxy: FaultyProxy) -> None:
    file_id, content = new_id(), os.urandom(4 * PIECE)
    await bucket.put(file_id, content)
    proxy.breaks("GET ", Fault(reply_bytes=1000))
    got = b"".join([piece async for piece in bucket.read(file_id, 500, 3 * PIECE)])
    assert got == content[500 : 3 * PIECE]


async def test_a_body_of_which_nothing_more_comes_is_given_up(bucket: S3Blobs, proxy: FaultyProxy) -> None:
    file_id = new_id()
    await bucket.put(file_id, bytes(4 * PIECE))
    proxy.breaks("GET ", Fault(reply_bytes=PIECE), *[Fault(reply_bytes=0)] * 10)
    got = bytearray()
    with pytest.raises(StoreUnavailable):
        await take(bucket.read(file_id), got)
    assert len(got) == PIECE


@pytest.mark.parametrize("what", ["deleted", "replaced"])
async def test_a_content_that_goes_while_it_is_read_is_never_another(
    bucket: S3Blobs, proxy: FaultyProxy, what: str
) -> None:
    file_id = new_id()
    await bucket.put(file_id, b"a" * 4 * PIECE)
    proxy.breaks("GET ", Fault(reply_bytes=PIECE))
    reading, got = bucket.read(file_id), bytearray()
    got += await anext(reading)
    if what == "deleted":
        await bucket.delete([file_id])
    else:
        await bucket.put(file_id, b"b" * 4 * PIECE)
    with pytest.raises(FileNotFound):
        await take(reading, got)
    assert set(got) == {ord("a")}


async def test_a_silent_body_is_taken_up_again(s3_server: S3Server, proxy: FaultyProxy) -> None:
    config = replace(s3_server.config(port=proxy.port), silence_seconds=3)
    async with opened_s3(config) as bucket:
        file_id, content = new_id(), os.urandom(4 * PIECE)
        await bucket.put(file_id, content)
        proxy.breaks("GET ", Fault(reply_bytes=PIECE, stalls=True))
        assert await read(bucket, file_id) == content
        assert proxy.count("GET ") == 2


async def test_a_reader_who_leaves_gives_the_connection_back(bucket: S3Blobs, proxy: FaultyProxy) -> None:
    file_id = new_id()
    await bucket.put(file_id, bytes(8 * PIECE))
    proxy.breaks("GET ", Fault(reply_bytes=PIECE, stalls=True))
    reading = bucket.read(file_id)
    await anext(reading)
    await reading.aclose()
    async with asyncio.timeout(20):
        await proxy.left.wait()


async def test_a_storage_that_is_not_there_is_a_clear_failure(s3_server: S3Server, unused_tcp_port: int) -> None:
    async with opened_s3(s3_server.config(port=unused_tcp_port)) as bucket:
        with pytest.raises(StoreUnavailable):
            await bucket.size(new_id())
        with pytest.raises(StoreUnavailable):
            await write(bucket, new_id(), b"x")
        with pytest.raises(StoreUnavailable):
            await read(bucket, new_id())


async def test_names_of_objects_cannot_be_told_from_ids_and_services_do_not_see_each_others(
    s3_server: S3Server,
) -> None:
    config, file_id, soon = s3_server.config(), new_id(), datetime.now(UTC) + timedelta(hours=1)
    async with opened_s3(config, prefix="shared/") as one:
        other = S3Blobs(one._client, prefix="shared/", secret=b"another secret")
        await one.put(file_id, b"x")
        (place,) = [path for path in s3_server.objects() if path.name == file_id]
        assert len(place.parent.name) == 32
        assert not set(place.parent.name) - set("0123456789abcdef")
        assert await other.size(file_id) is None
        assert [found async for found in other.stale(soon, batch=10)] == []
        assert [found async for found in one.stale(soon, batch=10)] == [[file_id]]
        await one.delete([file_id])


async def test_memory_holds_a_part_and_no_more(s3_server: S3Server) -> None:
    async with opened_s3(s3_server.config()) as bucket:
        file_id, piece = new_id(), os.urandom(PIECE)
        tracemalloc.start()
        try:
            async with bucket.draft(file_id) as draft:
                for _ in range(400):
                    await draft.write(bytes(bytearray(piece)))
                await draft.finish()
            size = 0
            async for each in bucket.read(file_id):
                size += len(each)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == 400 * PIECE
        assert peak < 20 * 2**20
