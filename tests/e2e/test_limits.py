"""Limits of callers on the real service: bursts, what a development key may, and two processes on one database."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import pytest

from tests.e2e.service import Service, parley, running

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_LIST = "/api/v1/llm/gateway/list-threads"
_SECRET = "a secret of more than thirty-two bytes, for tests"
_PATIENCE_SECONDS = 60


def test_a_burst_over_http_and_grpc_is_let_in_up_to_the_limit(data: Path) -> None:
    with running(data, env={"PARLEY_REQUESTS_PER_KEY": "5", "PARLEY_FAILED_AUTHENTICATIONS": "3"}) as service:
        with service.client(service.new_key("anna")) as client, ThreadPoolExecutor(8) as threads:
            replies = list(threads.map(lambda _: client.post(_LIST, json={}), range(12)))
            assert sorted(reply.status_code for reply in replies) == [200] * 5 + [429] * 7
            assert {reply.headers["x-ratelimit-limit"] for reply in replies} == {"5"}
            told = sorted(int(reply.headers["x-ratelimit-remaining"]) for reply in replies if reply.is_success)
            assert told == [0, 1, 2, 3, 4]
            for reply in replies:
                assert 1 <= int(reply.headers["x-ratelimit-reset"]) <= 61
                assert reply.is_success or reply.headers["retry-after"] == reply.headers["x-ratelimit-reset"]
        _burst_over_grpc(service, service.new_key("bert"))
        with service.client() as client:
            assert {client.post(_LIST, json={}).status_code for _ in range(20)} == {200}
        with service.client("sk_live_00000000_" + "0" * 49) as forger:
            assert [forger.post(_LIST, json={}).status_code for _ in range(5)] == [401] * 3 + [429] * 2
        metrics = httpx.get(f"{service.base}/metrics", trust_env=False).text
        assert 'parley_limited_calls_total{limit="key"} 10.0' in metrics
        assert 'parley_limited_calls_total{limit="address"} 2.0' in metrics
        assert '"limit":"key"' in service.output


def _burst_over_grpc(service: Service, key: str) -> None:
    with grpc.insecure_channel(service.grpc) as channel:
        list_threads: Any = channel.unary_unary("/parley.v1.ThreadService/ListThreads")
        codes = []
        for _ in range(8):
            call = list_threads.future(b"", metadata=(("x-api-key", key),))
            codes.append(call.code())
            assert dict(call.initial_metadata())["x-ratelimit-limit"] == "5"
    assert codes == [grpc.StatusCode.OK] * 5 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 3


def test_two_processes_hear_of_each_others_calls_and_of_a_changed_limit(tmp_path: Path, url: str) -> None:
    env = {
        "PARLEY_DATABASE": url,
        "PARLEY_REQUESTS_PER_KEY": "20",
        "PARLEY_KEY_PEPPER": "the same pepper for both",
        "PARLEY_JWT_ISSUER": "tests",
        "PARLEY_JWT_AUDIENCE": "parley",
        "PARLEY_JWT_SECRET": _SECRET,
    }
    made = parley("keys", "create", "--user", "anna", "--data", tmp_path / "a", env=env)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    with (
        running(tmp_path / "a", env=env) as first,
        running(tmp_path / "b", env=env) as second,
        first.client(key) as one,
        second.client(key) as other,
    ):
        codes = [one.post(_LIST, json={}).status_code for _ in range(25)]
        assert codes == [200] * 20 + [429] * 5
        assert _admitted_until_refused(other) <= 15  # far from another 20: it has heard of those
        _raise_limit(first, key)
        for client in (one, other):
            _eventually_limited_to(client, 1000)


def _admitted_until_refused(client: httpx.Client) -> int:
    """How many calls are let in, at one a second, until one is refused."""
    for admitted in range(20):
        if client.post(_LIST, json={}).status_code == 429:
            return admitted
        time.sleep(1)
    raise AssertionError("it never heard of the other one's calls")


def _raise_limit(service: Service, key: str) -> None:
    now = datetime.now(UTC)
    claims = {
        "iss": "tests",
        "aud": "parley",
        "sub": "anna",
        "tenant_id": "default",
        "permissions": ["*"],
        "exp": now + timedelta(minutes=10),
    }
    token = jwt.encode(claims, _SECRET, algorithm="HS256")
    with httpx.Client(base_url=service.base, headers={"authorization": f"Bearer {token}"}, trust_env=False) as person:
        found = person.post("/api/v1/api-keys/list", json={}).json()["result"]["keys"]
        (key_id,) = [each["key_id"] for each in found if key.startswith(each["key_prefix"])]
        change = {"key_id": key_id, "rate_limit": {"requests_per_minute": 1000}}
        person.post("/api/v1/api-keys/update", json=change).raise_for_status()


def _eventually_limited_to(client: httpx.Client, limit: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (reply := client.post(_LIST, json={})).headers["x-ratelimit-limit"] != str(limit):
        assert time.monotonic() < deadline, reply.headers
        time.sleep(0.1)
    assert reply.status_code == 200
