"""A real Kafka in KRaft mode, of the tests' own: one process on free loopback ports, in a temporary directory."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.certificates import Authority
from tests.support.kafka.artifacts import jars

USER: Final = "parley"
PASSWORD: Final = "canary-of-the-kafka-password"
_CLUSTER: Final = "MkU3OEVBNTcwNTJENDM2Qg"
_START_SECONDS: Final = 50
_STOP_SECONDS: Final = 20
_POLL_SECONDS: Final = 0.05
# Starts in half the time, and is fast enough for tests.
_JAVA: Final = ("java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


class KafkaBroker:
    """One broker with an open and a guarded listener. `start`, `stop` and `kill` may be called again and again; ports
    and data stay until `remove`."""

    def __init__(self) -> None:
        """Raises `KafkaMissing`."""
        self._classpath = f"{jars()}/*"
        self._folder = Path(tempfile.mkdtemp(prefix="parley-kafka-"))
        self.port, self._controller, self.guarded_port = _free_ports(3)
        self.authority = Authority(self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        (self._folder / "server.properties").write_text(self._properties())
        credential = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        format_storage = ("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "--add-scram", credential)
        subprocess.run(
            [*_JAVA, "-cp", self._classpath, *format_storage, "-c", "server.properties"],
            cwd=self._folder,
            check=True,
            capture_output=True,
            timeout=_START_SECONDS,
        )

    @property
    def servers(self) -> str:
        """Where everybody may connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def guarded(self) -> str:
        """Where TLS and the password of `USER` are asked for."""
        return f"localhost:{self.guarded_port}"

    def start(self) -> None:
        """Start and wait until connections are accepted."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_JAVA, "-cp", self._classpath, "kafka.Kafka", "server.properties"],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not _accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Kafka did not start: {(self._folder / 'log').read_text()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End it as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Delete the data of a broker that does not run."""
        shutil.rmtree(self._folder)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _properties(self) -> str:
        shown = self.authority.issue("broker")
        chain, key = (_one_line(path) for path in (shown.certificate, shown.key))
        return f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self._controller}
controller.listener.names=CONTROLLER
listeners=OPEN://127.0.0.1:{self.port},GUARDED://127.0.0.1:{self.guarded_port},CONTROLLER://127.0.0.1:{self._controller}
advertised.listeners=OPEN://127.0.0.1:{self.port},GUARDED://localhost:{self.guarded_port}
listener.security.protocol.map=OPEN:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL
inter.broker.listener.name=OPEN
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.guarded.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.guarded.ssl.keystore.type=PEM
listener.name.guarded.ssl.keystore.certificate.chain={chain}
listener.name.guarded.ssl.keystore.key={key}
log.dirs={self._folder}/data
num.partitions=3
# Records of tests bear times of long ago.
log.retention.ms=-1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
controlled.shutdown.enable=false
"""


def _one_line(path: Path) -> str:
    """A PEM as properties files take it."""
    return path.read_text().strip().replace("\n", "\\n")


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each another."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
