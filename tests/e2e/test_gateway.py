"""The gateway alone, in front of a server elsewhere."""

import re
import signal
import subprocess
import sys

import httpx
import pytest

from tests.e2e.service import Service, environment

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_STOP_SECONDS = 40


def test_the_gateway_alone_serves_the_routes_of_a_server_elsewhere(service: Service) -> None:
    command = [sys.executable, "-m", "gateway", "--upstream", service.grpc, "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as gateway:
        try:
            assert gateway.stdout is not None
            started = re.match(r"gateway on (http://127\.0\.0\.1:\d+)", gateway.stdout.readline())
            assert started
            headers = {"X-API-Key": service.development_key}
            with httpx.Client(base_url=started[1], headers=headers, timeout=30, trust_env=False) as client:
                assert client.get("/readyz").json() == {"status": "ready"}
                listed = client.post("/api/v1/llm/gateway/list-threads", json={})
                assert listed.status_code == 200
                assert "threads" in listed.json()
                del client.headers["X-API-Key"]
                assert client.post("/api/v1/llm/gateway/list-threads", json={}).status_code == 401
            gateway.send_signal(signal.SIGINT)
            assert gateway.wait(timeout=_STOP_SECONDS) == 0
        finally:
            gateway.kill()
