"""The members commands, beside a running server and without one."""

from pathlib import Path

import pytest

from tests.e2e.service import Service, parley

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)


def rows(tenant: str, data: Path) -> dict[str, list[str]]:
    """What is listed of each user of a tenant: organization, role and state."""
    listed = parley("members", "list", "--data", data, "--tenant", tenant)
    assert (listed.returncode, listed.stderr) == (0, "")
    words = [line.split() for line in listed.stdout.splitlines()[1:]]
    return {user: [organization, role, state] for organization, user, role, state, _ in words}


def test_roles_are_set_beside_a_running_server_and_count_at_once(service: Service) -> None:
    where = ("--data", service.data, "--tenant", "club")
    service.new_key("anna", tenant="club")
    with service.client(service.new_key("bert", tenant="club")) as bert:
        organization = bert.get("/api/org/list").json()[0]["id"]

        def add() -> int:
            model = {"provider": "echo", "name": "parrot"}
            return bert.post("/api/llm/add", params={"org_id": organization}, json=model).status_code

        assert rows("club", service.data) == {
            "anna": ["Default", "Owner", "active"],
            "bert": ["Default", "Member", "active"],
        }
        assert add() == 403
        made = parley("members", "set", "bert", "admin", *where)
        assert (made.returncode, made.stdout) == (0, "bert is Admin of Default.\n")
        assert add() == 200
        assert parley("members", "remove", "bert", *where).returncode == 0
        assert add() == 403
        assert rows("club", service.data)["bert"] == ["Default", "Admin", "removed"]
    refused = parley("members", "remove", "anna", *where)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "last owner" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "nobody", "Guest"], ["nobody", "key"]),
        (["set", "anna", "King"], ["'King'", "owner", "guest"]),
        (["set", "anna", "Owner", "--organization", "Acme"], ["Acme", "members list"]),
        (["remove", "nobody"], ["nobody"]),
        (["remove"], ["USER"]),
    ],
)
def test_what_is_asked_wrongly_is_said_in_a_sentence(data: Path, arguments: list[str], words: list[str]) -> None:
    assert parley("keys", "create", "--user", "anna", "--data", data).returncode == 0
    refused = parley("members", *arguments, "--data", data)
    assert refused.returncode in (1, 2)
    assert refused.stdout == ""
    assert "Traceback" not in refused.stderr
    for word in words:
        assert word in refused.stderr
