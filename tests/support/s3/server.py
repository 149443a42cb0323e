"""A real S3-compatible storage of the tests' own: one process on a free loopback port, over a temporary directory."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from server.adapters.blobs.s3.config import S3Config
from server.adapters.blobs.s3.signature import Credentials
from tests.support.s3.artifacts import program

CREDENTIALS: Final = Credentials("parley-tests", "canary-of-the-storage-key")
REGION: Final = "test-region-1"
BUCKET: Final = "contents"
_START_SECONDS: Final = 30
_STOP_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.02


class S3Server:
    """One server with one bucket. Raises `S3Missing`."""

    def __init__(self, *, may_build: bool = True) -> None:
        self._program = program(may_build=may_build)
        self._folder = Path(tempfile.mkdtemp(prefix="parley-s3-"))
        self.root = self._folder / "root"
        (self.root / BUCKET).mkdir(parents=True)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def config(self, *, port: int | None = None) -> S3Config:
        """How to reach it, or a proxy before it on another port."""
        return S3Config(
            endpoint=f"http://127.0.0.1:{port or self.port}", bucket=BUCKET, credentials=CREDENTIALS, region=REGION
        )

    def objects(self) -> list[Path]:
        """The files of all objects."""
        return sorted(path for path in (self.root / BUCKET).rglob("*") if path.is_file())

    def start(self) -> None:
        """Start and wait until connections are accepted."""
        keys = ("--access", CREDENTIALS.access_key, "--secret", CREDENTIALS.secret_key, "--region", REGION)
        where = ("--port", f"127.0.0.1:{self.port}", "--keep-alive", "--quiet")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *where, *keys, "posix", "--sidecar", self._sidecar(), self.root],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not _accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                text = (self._folder / "log").read_text()
                self.stop()
                raise RuntimeError(f"the S3 server did not start: {text}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End it; its data stays."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def remove(self) -> None:
        """Delete the data of a server that does not run."""
        shutil.rmtree(self._folder)

    def _sidecar(self) -> Path:
        """Where it keeps what it knows of objects: not every file system of temporary files has room for that."""
        folder = self._folder / "sidecar"
        folder.mkdir(exist_ok=True)
        return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
