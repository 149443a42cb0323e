"""A real PostgreSQL of the tests' own: on a free loopback port, in a temporary directory."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.canaries.marks import canary

_USER = "postgres"
_ROLE = "parley"
"""As whom the service works: not a superuser, and the owner of its databases."""
_PASSWORD = canary("database-password")
"""Which the server does not ask for, and nobody may tell."""
_OPTIONS = "-c listen_addresses=127.0.0.1 -c max_connections=200 -c unix_socket_directories=''"


_EMPTY = """
DO $$ DECLARE
  one text; has_rows boolean; filled text[] := '{}';
BEGIN
  FOREACH one IN ARRAY ARRAY[%s] LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %%I)', one) INTO has_rows;
    IF has_rows THEN filled := filled || quote_ident(one); END IF;
  END LOOP;
  IF cardinality(filled) > 0 THEN
    EXECUTE 'TRUNCATE ' || array_to_string(filled, ', ') || ' CASCADE';
  END IF;
END $$
"""


class PostgresMissing(Exception):
    """No PostgreSQL server can be started here; the text says why."""


class PostgresServer:
    """One server. `start` and `stop` may be called again and again; the data stays until `remove`."""

    def __init__(self, *, syncs: bool = False) -> None:
        """`syncs`: whether commits reach the disk, as they do where a server is in use and not in a test."""
        self._options = f"{_OPTIONS} -c fsync={'on' if syncs else 'off'}"
        self._binaries = _binaries()
        # initdb and the server refuse to be root.
        self._account = _USER if os.geteuid() == 0 else None
        self._data = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
        self.port = _free_port()
        self._has_role = False
        if self._account:
            shutil.chown(self._data, self._account)
        initdb = ("initdb", "--pgdata", ".", "--username", _USER, "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        # A locale that does not sort by code point, so that the store may not rely on the database's order.
        self._run(*initdb, "--locale-provider", "icu", "--icu-locale", "en", "--locale", "C.UTF-8")

    def start(self) -> None:
        """Start and wait until connections are accepted."""
        self._run("pg_ctl", "--pgdata", ".", "-w", "-l", "log", "-o", f"{self._options} -p {self.port}", "start")
        if not self._has_role:
            self.execute(f"CREATE ROLE {_ROLE} LOGIN")
            self._has_role = True

    def stop(self, mode: str = "fast") -> None:
        """Stop and wait; `immediate` is a crash."""
        self._run("pg_ctl", "--pgdata", ".", "-w", "-m", mode, "stop")

    def remove(self) -> None:
        """Delete the data of a stopped server."""
        shutil.rmtree(self._data)

    @property
    def pid(self) -> int:
        """The process of a server that runs: the parent of all its others."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def execute(self, sql: str, *, database: str = "postgres") -> None:
        """Execute statements as superuser, together if there are several."""
        psql = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.superuser_dsn(database), "-c", sql)
        # As whoever runs the tests: to become another user, this process would have to be copied to fork.
        self._run("psql", *psql, is_server=False)

    def empty(self, database: str, tables: Iterable[str]) -> None:
        """Delete all rows of some tables, and not one by one, which the audit's would not let happen. Most have none,
        and to truncate such a one would cost the server new files all the same."""
        names = ", ".join(f"'{name}'" for name in tables)
        self.execute(_EMPTY % names, database=database)

    def create(self, database: str, *, template: str = "template1") -> None:
        """Make a database of the service's."""
        self.execute(f'CREATE DATABASE "{database}" OWNER {_ROLE} TEMPLATE "{template}"')

    def superuser_dsn(self, database: str) -> str:
        """The address of a database for one whom no policy binds."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def dsn(self, database: str) -> str:
        """The address of a database on this server for the service, as PostgreSQL's own tools take it."""
        return f"postgresql://{_ROLE}:{_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def url(self, database: str) -> str:
        """The service's URL of a database on this server."""
        return self.dsn(database).replace("postgresql:", "postgresql+asyncpg:")

    def _run(self, program: str, *arguments: str, is_server: bool = True) -> None:
        account = self._account if is_server else None
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._data,
            user=account,
            group=account,
            extra_groups=[] if account else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=50,
            check=False,
        )
        if done.returncode:
            log = self._data / "log"
            raise RuntimeError(f"{program} failed: {log.read_text() if log.exists() else done.returncode}")


@contextmanager
def running_postgres(*, syncs: bool = False) -> Iterator[PostgresServer]:
    """A server for the length of a block. Raises `PostgresMissing`."""
    server = PostgresServer(syncs=syncs)
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")
        server.remove()


def _binaries() -> Path:
    """Where the server's programs are. Raises `PostgresMissing`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        raise PostgresMissing("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    if os.geteuid() == 0 and not any(user.pw_name == _USER for user in pwd.getpwall()):
        raise PostgresMissing("PostgreSQL refuses to run as root and there is no user postgres")
    return (found[-1] if found else Path(str(on_path))).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
