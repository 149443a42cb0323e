"""A storage that cannot be used is told at start, by one sentence that names the cause and no secret."""

import random
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.adapters.blobs.s3.check import StorageUnusable, check
from server.adapters.blobs.s3.client import S3Client
from server.adapters.blobs.s3.config import S3Config
from server.adapters.blobs.s3.signature import Credentials
from server.adapters.system import SystemIds
from server.bootstrap.files import opened_blobs
from server.config import load
from server.domain.ids import FileId
from server.failure import CommandFailed
from tests.support.s3.fixtures import ImpatientClock
from tests.support.s3.proxy import Fault, FaultyProxy
from tests.support.s3.server import CREDENTIALS, S3Server

SECRET = "canary-of-a-wrong-key"


async def checked(config: S3Config) -> None:
    async with aclosing(S3Client(config, clock=ImpatientClock(), random=random.random)) as client:
        await check(client, config)


async def fails(config: S3Config) -> str:
    with pytest.raises(StorageUnusable) as caught:
        await checked(config)
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    assert CREDENTIALS.secret_key not in text
    return text


async def test_a_bucket_that_can_be_used_is_left_as_it_was(s3_server: S3Server) -> None:
    before = s3_server.objects()
    await checked(s3_server.config())
    await checked(replace(s3_server.config(), encryption={"x-amz-server-side-encryption": "AES256"}))
    assert s3_server.objects() == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bucket": "no-such"}, "there is no such bucket"),
        ({"credentials": Credentials("nobody", SECRET)}, "it answered 404 XAdminUserNotFound"),
        ({"credentials": Credentials(CREDENTIALS.access_key, SECRET)}, "the secret key is not that of the access key"),
        ({"region": "elsewhere"}, "the region is not the bucket's"),
        ({"endpoint": "http://127.0.0.1:1"}, "it did not answer (ConnectError)"),
    ],
)
async def test_what_is_wrong_is_said(s3_server: S3Server, changes: dict[str, Any], says: str) -> None:
    """The server compares the signature with its own."""
    text = await fails(replace(s3_server.config(), **changes))
    assert says in text
    assert "does not list objects in the bucket" in text


async def test_an_unknown_key_has_a_sentence_of_its_own(s3_server: S3Server, proxy: FaultyProxy) -> None:
    proxy.breaks("GET .*list-type", Fault(status=403, code="InvalidAccessKeyId"))
    assert "it does not know the access key" in await fails(s3_server.config(port=proxy.port))


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("GET .*list-type", "list objects"),
        ("GET .*uploads", "list uploads"),
        ("PUT ", "store an object"),
        ("GET [^?]*$", "read an object"),
        ("DELETE ", "delete an object"),
    ],
)
async def test_a_missing_right_is_named(s3_server: S3Server, proxy: FaultyProxy, pattern: str, what: str) -> None:
    proxy.breaks(pattern, Fault(status=403, code="AccessDenied"))
    text = await fails(s3_server.config(port=proxy.port))
    assert f"does not {what} in the bucket 'contents': it answered 403 AccessDenied" in text


async def test_a_service_does_not_start_without_its_bucket(s3_server: S3Server, tmp_path: Path) -> None:
    config = replace(s3_server.config(), bucket="absent")
    with pytest.raises(CommandFailed, match=r"in the bucket 'absent': there is no such bucket\.$"):
        async with opened_blobs(load({}), config, usual=tmp_path, secret=bytes(32), clock=ImpatientClock()):
            pass


async def test_a_service_keeps_the_contents_of_each_database_in_a_place_of_its_own(
    s3_server: S3Server, tmp_path: Path
) -> None:
    config, file_id = replace(s3_server.config(), prefix="all/"), FileId(str(SystemIds().uuid()))
    soon = datetime.now(UTC) + timedelta(hours=1)
    for database in ("postgresql://h/one", "postgresql://h/two"):
        opened = opened_blobs(
            load({"database": database}), config, usual=tmp_path, secret=bytes(32), clock=ImpatientClock()
        )
        async with opened as blobs:
            assert [found async for found in blobs.stale(soon, batch=10)] == []
            await blobs.put(file_id, b"x")
    assert {path.parts[-3] for path in s3_server.objects() if path.name == file_id} == {
        "postgresql-one",
        "postgresql-two",
    }


async def test_answers_that_are_none_are_refused(s3_server: S3Server, proxy: FaultyProxy) -> None:
    proxy.breaks("GET .*list-type", *[Fault(status=500, code="&bomb;")] * 4)
    assert "it answered 500" in await fails(s3_server.config(port=proxy.port))
