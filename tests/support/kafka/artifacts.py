"""A Kafka broker's jars, from its Maven artifacts, fetched once into a cache of the user's."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

VERSION: Final = "4.1.1"
_POM: Final = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>parley</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
_FETCH_SECONDS: Final = 120


class KafkaMissing(Exception):
    """No Kafka can be started here; the text says why."""


def jars() -> Path:
    """The folder of the jars. Raises `KafkaMissing`."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        raise KafkaMissing(f"a real Kafka needs {' and '.join(missing)} (Debian: default-jre-headless, maven)")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parley-tests"
    cache.mkdir(parents=True, exist_ok=True)
    found = cache / f"kafka-{VERSION}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _fetch(cache, found)
    return found


def _fetch(cache: Path, found: Path) -> None:
    partial = cache / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    (partial / "pom.xml").write_text(_POM)
    goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial / 'jars'}")
    try:
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", partial / "pom.xml", *goal],
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise KafkaMissing("Kafka's Maven artifacts could not be fetched in time") from None
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise KafkaMissing(f"Kafka's Maven artifacts could not be fetched: {lines[0] if lines else done.returncode}")
    (partial / "jars").rename(found)


if __name__ == "__main__":
    try:
        print(f"Kafka {VERSION} for tests is in {jars()}")
    except KafkaMissing as missing:
        print(f"the tests of a real Kafka will be skipped: {missing}")
