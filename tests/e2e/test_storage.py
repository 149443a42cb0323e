"""A service whose contents lie in a bucket."""

import base64
import hashlib
import os
from pathlib import Path

import httpx
import pytest

from tests.e2e.service import running
from tests.support.s3.fixtures import s3_server  # noqa: F401 - a fixture
from tests.support.s3.server import BUCKET, CREDENTIALS, REGION, S3Server

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)

_GATEWAY = "/api/v1/storage/gateway"
_KEYS = {"S3_ACCESS": CREDENTIALS.access_key, "S3_SECRET": CREDENTIALS.secret_key}


def configured(folder: Path, server: S3Server) -> tuple[str, str]:
    """Flags for a service that keeps its contents there."""
    file = folder / "storage.toml"
    file.write_text(
        f'[[providers]]\nname = "echo"\nkind = "echo"\n\n[storage]\nendpoint = "http://127.0.0.1:{server.port}"\n'
        f'bucket = "{BUCKET}"\nregion = "{REGION}"\nprefix = "{folder.name}"\n'
        'access_key_env = "S3_ACCESS"\nsecret_key_env = "S3_SECRET"\n'
    )
    return ("--config", str(file))


def test_contents_are_in_the_bucket_and_nowhere_else(data: Path, tmp_path: Path, s3_server: S3Server) -> None:  # noqa: F811 - the fixture
    content, before = os.urandom(9 * 2**20), set(s3_server.objects())
    digest = hashlib.sha256(content).hexdigest()
    with running(data, *configured(tmp_path, s3_server), env=_KEYS) as service, service.client() as client:
        small = post(client, "upload-file", name="small.txt", content=base64.b64encode(b"small").decode())
        leave = post(client, "generate-upload-url", name="big.bin", sha256=digest)
        big = client.put(leave["url"], content=content).raise_for_status().json()
        assert len(set(s3_server.objects()) - before) == 2
        assert not (data / "files").exists()
        reply = client.post(f"{_GATEWAY}/download-file", json={"file_id": big["fileId"]})
        assert hashlib.sha256(reply.content).hexdigest() == digest
        for file in (small, big):
            post(client, "delete-file", file_id=file["fileId"])
        assert set(s3_server.objects()) == before
        assert service.stop() == 0
        assert CREDENTIALS.secret_key not in service.output


def post(client: httpx.Client, method: str, **fields: object) -> dict[str, str]:
    """Call a route of storage."""
    reply: dict[str, str] = client.post(f"{_GATEWAY}/{method}", json=fields).raise_for_status().json()
    return reply
