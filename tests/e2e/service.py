"""A `parley serve` in a process of its own, as a user starts it, and the other commands beside it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from server.bootstrap.keys import open_keys
from server.cli.data_directory import DataDirectory
from server.config import load
from server.domain.key import KeyStyle
from server.domain.principal import Owner
from tests.support.canaries.plugin import EARS
from tests.support.nursery import ForkedProcess, Nursery, shared_nursery

PARLEY = (sys.executable, "-m", "server")
UNLIMITED: Final = {
    f"PARLEY_{name}": "0"
    for name in ("REQUESTS_PER_KEY", "REQUESTS_PER_USER", "FAILED_AUTHENTICATIONS", "STREAMS_PER_KEY", "RUNS_PER_KEY")
}
DEFAULT_LIMITS: Final = dict.fromkeys(UNLIMITED, "")
_START_SECONDS = 40
_STOP_SECONDS = 40
_COMMAND_SECONDS = 40
_POLL_SECONDS = 0.02


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any setting of Parley, so that the machine's own change no test; and without
    limits for callers, for tests and measurements call more often than anybody else. `DEFAULT_LIMITS` brings them back.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "OPENROUTER_"))}
    defaults = {"PYTHONUNBUFFERED": "1", "PARLEY_LOG_LEVEL": "debug", **UNLIMITED}
    return {**own, **defaults, **(extra or {})}


def parley(
    *arguments: str | Path, env: Mapping[str, str] | None = None, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*PARLEY, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(env),
        cwd=cwd,
        timeout=_COMMAND_SECONDS,
        check=False,
    )


@dataclass
class Service:
    """A running server."""

    process: "subprocess.Popen[str] | ForkedProcess"
    data: Path
    log: Path
    stale: int | None = None
    """When the addresses were written that a killed server left."""

    @property
    def addresses(self) -> dict[str, str]:
        """Where it accepts calls."""
        found: dict[str, str] = json.loads((self.data / "addresses.json").read_text())
        return found

    @property
    def base(self) -> str:
        """The start of its URLs."""
        return f"http://{self.addresses['http']}"

    @property
    def grpc(self) -> str:
        """Its gRPC address."""
        return self.addresses["grpc"]

    @property
    def development_key(self) -> str:
        """The key of `dev`."""
        return (self.data / "dev.key").read_text().strip()

    @property
    def has_development_key(self) -> bool:
        """Whether it has made one, which it prints."""
        return (self.data / "dev.key").exists()

    @property
    def output(self) -> str:
        """Everything it has printed so far, both streams."""
        return self.log.read_text()

    def client(self, key: str | None = None) -> httpx.Client:
        """An HTTP client with a key, the development key unless another is given."""
        return httpx.Client(
            base_url=self.base, headers={"X-API-Key": key or self.development_key}, timeout=30, trust_env=False
        )

    def new_key(
        self,
        user: str,
        *,
        tenant: str = "default",
        scopes: Collection[str] = ("*",),
        style: KeyStyle = KeyStyle.SECRET,
    ) -> str:
        """A key for a user of its own, made straight in the server's database, as `parley keys create` does."""
        settings = load({"data": self.data})
        directory = DataDirectory(settings.data)

        async def made() -> str:
            opened = open_keys(settings, database=directory.database, pepper=directory.pepper())
            async with opened as keys:
                return (await keys.create(Owner(tenant, user), scopes=scopes, style=style))[1]

        return asyncio.run(made())

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=_STOP_SECONDS)


def launch(
    data: Path, *arguments: str, env: Mapping[str, str] | None = None, nursery: Nursery | None = None
) -> Service:
    """Start a server on free ports; in a `nursery` that takes less time."""
    stale = _made(data)
    log = data.with_name(f"{data.name}.log")
    flags = ["--data", str(data), *_addresses(arguments), *arguments]
    with log.open("w") as output:
        process = (
            nursery.serve(flags, env=environment(env), log=log)
            if nursery is not None
            else subprocess.Popen(
                [*PARLEY, "serve", *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                env=environment(env),
            )
        )
    service = Service(process, data, log, stale)
    EARS.read(log, shown=lambda: service.development_key if service.has_development_key else "")
    return service


@contextmanager
def running(
    data: Path, *arguments: str, env: Mapping[str, str] | None = None, as_program: bool = False
) -> Iterator[Service]:
    """A server on free ports for the length of a block, which begins once calls are accepted; one that is still there
    at its end is killed. It is forked off this process's nursery, which takes a fraction of the time that
    the program itself takes to be imported, unless it is to be started `as_program`, as a user does."""
    service = launch(data, *arguments, env=env, nursery=None if as_program else shared_nursery())
    try:
        wait_until_accepting(service)
        yield service
    finally:
        service.process.kill()
        service.process.wait()


def echo(folder: Path, *, word_delay: float) -> tuple[str, str]:
    """Flags for a server whose echo takes so many seconds a word: long enough to be interrupted, or next to none."""
    file = folder / f"echo-{word_delay}.toml"
    file.write_text(f'[[providers]]\nname = "echo"\nkind = "echo"\nmodels = ["echo"]\nword_delay = {word_delay}\n')
    return ("--config", str(file))


def _addresses(arguments: Sequence[str]) -> list[str]:
    return [word for flag in ("--http", "--grpc") if flag not in arguments for word in (flag, "127.0.0.1:0")]


def wait_until_accepting(service: Service) -> None:
    """Wait until it accepts calls. A server that does not is killed, and an `AssertionError` shows what it printed."""
    deadline = time.monotonic() + _START_SECONDS
    # The banner's last line comes after the addresses; tests that read what was printed need both.
    while (made := _made(service.data)) is None or made == service.stale or _LAST_LINE not in service.output:
        if service.process.poll() is not None or time.monotonic() > deadline:
            service.process.kill()
            service.process.wait()
            raise AssertionError(f"the server did not start:\n{service.output}")
        time.sleep(_POLL_SECONDS)


_LAST_LINE = "Ctrl-C ends it."


def _made(data: Path) -> int | None:
    """When the addresses were written; a killed server leaves its own behind."""
    try:
        return (data / "addresses.json").stat().st_mtime_ns
    except FileNotFoundError:
        return None
