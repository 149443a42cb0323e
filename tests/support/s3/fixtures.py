"""A server for the whole run of a worker, and contents in a place of the test's own."""

import random
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest

from server.adapters.blobs.s3.blobs import S3Blobs
from server.adapters.blobs.s3.client import S3Client
from server.adapters.blobs.s3.config import S3Config
from server.adapters.system import SystemClock
from server.ports.system import Clock
from tests.support.s3.artifacts import S3Missing
from tests.support.s3.server import S3Server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3-compatible storage that every test may use and none may stop."""
    try:
        made = S3Server(may_build=False)
    except S3Missing as missing:
        pytest.skip(str(missing))
    made.start()
    yield made
    made.stop()
    made.remove()


class ImpatientClock(SystemClock):
    """The real time, in which nobody waits."""

    async def sleep(self, seconds: float) -> None:
        """Not wait."""
        del seconds
        await super().sleep(0)


@asynccontextmanager
async def opened_s3(config: S3Config, *, prefix: str = "", clock: Clock | None = None) -> AsyncIterator[S3Blobs]:
    """Contents under a prefix, one of nobody else's by default, over connections of their own."""
    async with aclosing(S3Client(config, clock=clock or ImpatientClock(), random=random.random)) as client:
        yield S3Blobs(client, prefix=prefix or f"{uuid.uuid4().hex}/", secret=bytes(32))
