"""One service for all replays; each replay has a user, and so an account, of its own."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.service import Service, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data: Path = tmp_path_factory.mktemp("documents") / "data"
    config = data.with_name("parley.toml")
    command = [str(Path(sys.executable).with_name("mcp-server-time")), "--local-timezone", "UTC"]
    config.write_text(f'[[mcp_servers]]\nname = "time"\ncommand = {json.dumps(command)}\n')
    with running(data, "--config", str(config)) as service:
        yield service


@pytest.fixture
def fresh_key(service: Service) -> Callable[[], str]:
    return lambda: service.new_key(f"reader-{uuid4().hex}")
