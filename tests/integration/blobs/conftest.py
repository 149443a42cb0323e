"""A bucket behind a proxy that breaks what passes."""

from collections.abc import AsyncIterator

import pytest

from server.adapters.blobs.s3.blobs import S3Blobs
from tests.support.s3.fixtures import opened_s3, s3_server  # noqa: F401 - a fixture
from tests.support.s3.proxy import FaultyProxy
from tests.support.s3.server import S3Server


@pytest.fixture
async def proxy(s3_server: S3Server) -> AsyncIterator[FaultyProxy]:  # noqa: F811 - the fixture
    """A proxy that passes everything until it is told otherwise."""
    async with FaultyProxy(s3_server.port) as running:
        yield running


@pytest.fixture
async def bucket(s3_server: S3Server, proxy: FaultyProxy) -> AsyncIterator[S3Blobs]:  # noqa: F811 - the fixture
    """Contents behind the proxy; nobody waits between attempts."""
    async with opened_s3(s3_server.config(port=proxy.port)) as opened:
        yield opened
