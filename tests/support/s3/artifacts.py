"""A server that speaks the protocol of S3 and checks its signatures, built once with Go into a cache of the user's."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

VERSION: Final = "v1.8.0"
_PROGRAM: Final = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
_BUILD_SECONDS: Final = 1200


class S3Missing(Exception):
    """No S3-compatible storage can be started here; the text says why."""


def program(*, may_build: bool = True) -> Path:
    """The executable. Without `may_build` only one that is there already counts. Raises `S3Missing`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parley-tests"
    cache.mkdir(parents=True, exist_ok=True)
    found = cache / f"versitygw-{VERSION}"
    with (cache / "s3.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            if not may_build:
                raise S3Missing("the S3 server for tests is not built: python -m tests.support.s3.artifacts")
            _build(cache / "s3-partial", found)
    return found


def _build(partial: Path, found: Path) -> None:
    if shutil.which("go") is None:
        raise S3Missing("a real S3-compatible storage is built with Go, which is not here")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        done = subprocess.run(
            ["go", "install", "-trimpath", "-ldflags=-s -w", _PROGRAM],
            env={**os.environ, "GOBIN": str(partial), "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise S3Missing("the S3 server for tests could not be built in time") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise S3Missing(f"the S3 server for tests could not be built: {lines[-1] if lines else done.returncode}")
    (partial / "versitygw").rename(found)


if __name__ == "__main__":
    try:
        print(f"the S3 server for tests is {program()}")
    except S3Missing as missing:
        print(f"the tests of a real S3-compatible storage will be skipped: {missing}")
