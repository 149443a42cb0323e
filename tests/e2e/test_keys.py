"""The keys commands, beside a running server and without one."""

import re
from pathlib import Path

import pytest

from tests.e2e.service import Service, parley

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_LIST = "/api/v1/llm/gateway/list-threads"
_CREATE = "/api/v1/llm/gateway/create-thread"


@pytest.mark.parametrize(
    ("arguments", "form"),
    [
        ([], r"sk_live_\w+"),
        (["--env", "test"], r"sk_test_\w+"),
        (["--style", "ayeto"], r"ayeto-[0-9a-f]{64}"),
    ],
)
def test_a_new_key_opens_a_running_server_at_once(service: Service, arguments: list[str], form: str) -> None:
    made = parley("keys", "create", "--data", service.data, "--user", "anna", *arguments)
    assert (made.returncode, made.stderr) == (0, "")
    assert re.fullmatch(form + r"\n", made.stdout)
    for header in ({"X-API-Key": made.stdout.strip()}, {"Authorization": f"Bearer {made.stdout.strip()}"}):
        with service.client() as client:
            del client.headers["X-API-Key"]
            assert client.post(_LIST, json={}, headers=header).status_code == 200


def test_a_publishable_key_alone_opens_nothing(service: Service) -> None:
    made = parley("keys", "create", "--data", service.data, "--user", "anna", "--style", "pk")
    assert made.stdout.startswith("pk_live_")
    with service.client(made.stdout.strip()) as client:
        assert client.post(_LIST, json={}).status_code == 401


def test_users_and_tenants_do_not_see_each_other(service: Service) -> None:
    keys = [
        service.new_key("cleo", tenant="one"),
        service.new_key("dora", tenant="one"),
        service.new_key("cleo", tenant="two"),
    ]
    for key in keys:
        with service.client(key) as client:
            assert client.post(_LIST, json={}).json() == {"threads": []}
            client.post(_CREATE, json={"name": "mine", "conversation_key": "same"}).raise_for_status()


def test_a_key_can_do_what_its_scopes_say(service: Service) -> None:
    scopes = ("--scope", "conversations:read", "--scope", "users:impersonate")
    made = parley("keys", "create", "--data", service.data, "--user", "eve", *scopes)
    with service.client(made.stdout.strip()) as client:
        assert client.post(_LIST, json={}).status_code == 200
        refused = client.post(_CREATE, json={"name": "n", "conversation_key": "k"})
    assert refused.status_code == 403
    assert "conversations:write" in refused.json()["error"]["message"]


def test_the_organization_comes_with_the_key(service: Service) -> None:
    with service.client(service.new_key("frida", tenant="fresh")) as client:
        organizations = client.get("/api/org/list").json()
    assert len(organizations) == 1
    assert organizations[0]["role"] == "Owner"


def test_keys_are_listed_without_their_secrets_and_revoked(service: Service) -> None:
    key = service.new_key("greta")
    listed = parley("keys", "list", "--data", service.data)
    row = next(line for line in listed.stdout.splitlines() if "greta" in line)
    assert key not in listed.stdout
    assert row.split()[0] == key[:16]
    assert row.split()[1:4] == ["greta", "default", "*"]

    with service.client(key) as client:
        assert client.post(_LIST, json={}).status_code == 200
        assert parley("keys", "revoke", "--data", service.data, row.split()[0]).returncode == 0
        statuses = iter(lambda: client.post(_LIST, json={}).status_code, 401)
        assert set(statuses) <= {200}
    again = parley("keys", "revoke", "--data", service.data, key)
    assert again.returncode == 1
    assert "No valid key" in again.stderr


def test_a_key_is_rotated_and_its_uses_are_shown(service: Service) -> None:
    key = service.new_key("ida")
    with service.client(key) as client:
        assert client.post(_LIST, json={}).status_code == 200
    rotated = parley("keys", "rotate", key, "--data", service.data, "--overlap", "1")
    assert (rotated.returncode, rotated.stderr) == (0, "")
    for text in (key, rotated.stdout.strip()):
        with service.client(text) as client:
            assert client.post(_LIST, json={}).status_code == 200

    def shown() -> str:
        return parley("keys", "usage", key, "--data", service.data).stdout

    assert "REQUESTS" in next(table for table in iter(shown, "") if key[:16] in table)
    assert parley("keys", "rotate", "nobody", "--data", service.data).returncode == 1
    assert parley("keys", "usage", "nobody", "--data", service.data).returncode == 1


def test_keys_can_be_made_before_the_first_start(data: Path) -> None:
    made = parley("keys", "create", "--data", data, "--user", "hanna", "--expires", "30")
    assert made.returncode == 0
    assert "hanna" in parley("keys", "list", "--data", data).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create"], ["--user"]),
        (["create", "--user", " "], ["--user"]),
        (["create", "--user", "x", "--expires", "0"], ["--expires"]),
        (["create", "--user", "x", "--style", "pq"], ["--style", "ayeto"]),
        (["create", "--user", "x", "--scope", "conversation:read"], ["--scope", "conversations:read"]),
        (["rotate", "x", "--overlap", "169"], ["--overlap"]),
        (["revoke"], ["KEY"]),
    ],
)
def test_what_is_asked_wrongly_is_said_in_a_sentence(data: Path, arguments: list[str], words: list[str]) -> None:
    refused = parley("keys", *arguments, "--data", data)
    assert refused.returncode in (1, 2)
    assert refused.stdout == ""
    assert "Traceback" not in refused.stderr
    for word in words:
        assert word in refused.stderr
