"""Starting and stopping: what a user sees, what the machine keeps, what is refused."""

import json
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # ships no stubs
    reflection_pb2,
    reflection_pb2_grpc,
)

from tests.e2e.service import PARLEY, Service, echo, environment, parley, running

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_banner_says_where_it_is_how_to_get_in_and_who_answers(service: Service) -> None:
    banner = service.output
    assert f"http://{service.addresses['http']}" in banner
    assert service.grpc in banner
    assert service.development_key in banner
    assert "answers come from `echo`" in banner
    assert "OPENROUTER_API_KEY" in banner


def test_the_line_of_the_banner_works_as_it_is(service: Service) -> None:
    line = next(line for line in service.output.splitlines() if line.startswith("curl "))
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("curl ", "curl --silent --noproxy '*' ", 1)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode == 127:
        pytest.skip("curl is not installed")
    assert done.stdout.startswith('{"threads":')


def test_what_is_kept_is_for_its_user_alone(service: Service) -> None:
    assert mode(service.data) == 0o700
    shown = {path.name: (mode(path), 0o700 if path.is_dir() else 0o600) for path in service.data.rglob("*")}
    assert {name: oct(found) for name, (found, wanted) in shown.items() if found != wanted} == {}
    assert re.fullmatch(r"[0-9a-f]{64}", (service.data / "pepper").read_text().strip())


def test_it_is_alive_and_ready(service: Service) -> None:
    with service.client() as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200


def test_it_counts_its_calls_for_this_machine(service: Service) -> None:
    with service.client() as client:
        assert client.post(f"{_GATEWAY}/list-threads", json={}).status_code == 200
        metrics = client.get("/metrics").text
    assert re.search(
        r'^parley_rpc_calls_total\{code="OK",method="parley.v1.ThreadService/ListThreads"\} ', metrics, re.MULTILINE
    )


def test_it_describes_itself_with_the_comments_of_the_protos(service: Service) -> None:
    with service.client() as client:
        document = client.get("/openapi.json").json()
        assert client.get("/docs").headers["content-type"].startswith("text/html")
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Parley"
    assert f"http://{service.addresses['http']}/docs" in service.output
    operation = document["paths"][f"{_GATEWAY}/create-thread"]["post"]
    assert "Makes a thread." in json.dumps(operation)


def test_a_wrong_key_is_refused_and_logged_without_it(service: Service) -> None:
    with service.client(key="sk_live_nobody") as client:
        reply = client.post(f"{_GATEWAY}/list-threads", json={})
    assert reply.status_code == 401
    assert reply.json()["error"]["status"] == "UNAUTHENTICATED"
    assert "sk_live_nobody" not in service.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_a_second_start_finds_everything(data: Path, number: signal.Signals) -> None:
    with running(data, as_program=True) as first:
        key = first.development_key
        with first.client() as client:
            client.post(f"{_GATEWAY}/create-thread", json={"name": "Kept", "conversation_key": "kept"})
        assert first.stop(number) == 0
        assert "Traceback" not in first.output
        assert not (data / "addresses.json").exists()
    with running(data) as second, second.client() as client:
        assert second.development_key == key
        threads = client.post(f"{_GATEWAY}/list-threads", json={}).json()["threads"]
        assert [thread["conversationKey"] for thread in threads] == ["kept"]


def test_a_second_signal_ends_it_at_once(data: Path, tmp_path: Path) -> None:
    with running(data, *echo(tmp_path, word_delay=1)) as service, service.client() as client:
        client.post(f"{_GATEWAY}/create-thread", json={"name": "n", "conversation_key": "k"})
        client.post(
            f"{_GATEWAY}/send-message",
            json={"conversation_key": "k", "user_message": {"role": "user", "content": "hello"}},
        )
        # The answer takes half a minute; the first signal waits for it.
        service.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(timeout=0.3)
        assert service.stop(signal.SIGINT) == 128 + signal.SIGINT


def test_a_signal_while_it_starts_ends_it_quietly(data: Path) -> None:
    command = [*PARLEY, "serve", "--data", str(data), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        while not (data / "lock").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=40)
    # 0 when it was quicker than the signal.
    assert process.returncode in (130, 0)
    assert "Traceback" not in errors
    assert not (data / "addresses.json").exists()


def test_a_second_server_on_the_same_directory_is_refused(service: Service) -> None:
    refused = parley("serve", "--data", service.data, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "Another server already runs on" in refused.stderr
    assert service.addresses["http"] in refused.stderr
    with service.client() as client:
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("flag", ["--http", "--grpc"])
def test_a_taken_port_is_named(data: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        others = {"--http", "--grpc"} - {flag}
        refused = parley("serve", "--data", data, flag, address, *(word for o in others for word in (o, "127.0.0.1:0")))
    assert refused.returncode == 1
    assert_plain(refused, address, flag)
    assert not (data / "addresses.json").exists()


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        ([], {"PARLEY_HTPP": "127.0.0.1:1"}, ["PARLEY_HTPP", "PARLEY_HTTP"]),
        ([], {"PARLEY_GRACE_SECONDS": "soon"}, ["PARLEY_GRACE_SECONDS", "number"]),
        (["--http", "8080"], {}, ["--http", "HOST:PORT"]),
        (["--htp", "127.0.0.1:1"], {}, ["--htp"]),
        (["--http", "0.0.0.0:0"], {}, ["--insecure", "0.0.0.0:0"]),
        (["--grpc", "[::]:0"], {}, ["--insecure", "[::]:0"]),
        (["--database", "mysql://root:hidden@localhost/x"], {}, ["postgresql://", "sqlite:///"]),
        (["--config", "/nowhere/parley.toml"], {}, ["/nowhere/parley.toml", "cannot be read"]),
        ([], {"PARLEY_OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, ["PARLEY_DEFAULT_MODEL"]),
        ([], {"PARLEY_TRUSTED_PROXIES": "10.0.0.0/8,10.0.0.1/8"}, ["PARLEY_TRUSTED_PROXIES", "10.0.0.1/8"]),
        ([], {"PARLEY_DOCS": "maybe"}, ["PARLEY_DOCS", "'off', 'loopback' or 'on'"]),
        ([], {"PARLEY_KEY_PEPPER": "short"}, ["PARLEY_KEY_PEPPER", "characters"]),
    ],
)
def test_what_is_asked_wrongly_is_said_in_a_sentence(
    data: Path, arguments: list[str], env: dict[str, str], words: list[str]
) -> None:
    refused = parley("serve", "--data", data, *arguments, env=env)
    assert refused.returncode == 2
    assert_plain(refused, *words)
    assert "hidden" not in refused.stderr


def test_a_file_that_is_no_configuration_is_refused(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "parley.toml"
    for text, words in (
        ("providers = [", ["no TOML"]),
        ("[provider]\nname = 'x'", ["'provider'", "[[providers]]"]),
        ("[guardrails]\npatterns = ['fine', '(']", ["guardrails.patterns[1]", "missing )"]),
    ):
        file.write_text(text)
        refused = parley("serve", "--data", data, "--config", file)
        assert refused.returncode == 2
        assert_plain(refused, str(file), *words)


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    refused = parley("serve", "--data", file / "data")
    assert refused.returncode == 1
    assert_plain(refused, str(file / "data"), "--data")


def test_a_file_that_is_no_database_is_refused(data: Path) -> None:
    data.mkdir()
    (data / "parley.db").write_text("not a database, but long enough to be looked at " * 40)
    refused = parley("serve", "--data", data, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    assert refused.returncode == 1
    assert_plain(refused, "database")


def test_flags_go_before_variables(data: Path, tmp_path: Path) -> None:
    with running(data, env={"PARLEY_DATA": str(tmp_path / "other"), "PARLEY_HTTP": "127.0.0.1:1"}) as service:
        assert service.addresses["http"].startswith("127.0.0.1:")
    assert not (tmp_path / "other").exists()


def test_variables_stand_for_flags(tmp_path: Path) -> None:
    data = tmp_path / "by-variable"
    env = {"PARLEY_DATA": str(data), "PARLEY_HTTP": "127.0.0.1:0", "PARLEY_GRPC": "127.0.0.1:0"}
    with subprocess.Popen([*PARLEY, "serve"], env=environment(env), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("Ctrl-C" in line for line in iter(process.stdout.readline, ""))
            assert (data / "addresses.json").exists()
        finally:
            process.kill()


def test_others_reach_it_only_when_that_is_wanted_and_never_with_a_development_key(data: Path) -> None:
    with running(data, "--http", "0.0.0.0:0", "--insecure") as service:
        assert not (data / "dev.key").exists()
        assert "parley keys create" in service.output
        port = service.addresses["http"].rpartition(":")[2]
        pages = ("/healthz", "/openapi.json", "/docs", "/metrics")
        here = [page_status(port, path) for path in pages]
        elsewhere = [page_status(port, path, {"X-Forwarded-For": "192.0.2.7"}) for path in pages]
        reflected = reflection_status(f"127.0.0.1:{service.grpc.rpartition(':')[2]}")
    assert here == [200, 200, 200, 200]
    assert elsewhere == [200, 404, 404, 404]
    # gRPC listens for this machine alone.
    assert reflected is grpc.StatusCode.OK


@pytest.mark.parametrize(("setting", "status"), [("off", 404), ("on", 200)])
def test_docs_metrics_and_reflection_are_shown_to_whom_the_settings_say(data: Path, setting: str, status: int) -> None:
    env = {f"PARLEY_{name}": setting for name in ("DOCS", "METRICS", "REFLECTION")}
    with running(data, "--http", "0.0.0.0:0", "--grpc", "0.0.0.0:0", "--insecure", env=env) as service:
        port = service.addresses["http"].rpartition(":")[2]
        pages = ("/openapi.json", "/docs", "/metrics")
        assert [page_status(port, path, {"X-Forwarded-For": "192.0.2.7"}) for path in pages] == [status] * 3
        reflected = reflection_status(f"127.0.0.1:{service.grpc.rpartition(':')[2]}")
        assert reflected is (grpc.StatusCode.OK if setting == "on" else grpc.StatusCode.UNIMPLEMENTED)


def test_reflection_is_not_there_where_grpc_listens_for_others(data: Path) -> None:
    with running(data, "--grpc", "0.0.0.0:0", "--insecure") as service:
        reflected = reflection_status(f"127.0.0.1:{service.grpc.rpartition(':')[2]}")
    assert reflected is grpc.StatusCode.UNIMPLEMENTED


def test_a_web_page_that_resolves_its_name_to_this_machine_is_not_served(data: Path) -> None:
    with running(data, env={"PARLEY_ALLOWED_HOSTS": "parley.example"}) as service, service.client() as client:
        statuses = {
            host: client.post(f"{_GATEWAY}/list-threads", json={}, headers={"Host": host}).status_code
            for host in ("localhost:1", "[::1]", "parley.example", "evil.example", "192.0.2.1")
        }
    assert statuses == {"localhost:1": 200, "[::1]": 200, "parley.example": 200, "evil.example": 421, "192.0.2.1": 421}


def page_status(port: str, path: str, headers: dict[str, str] | None = None) -> int:
    """The status of a page, called from this machine."""
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, trust_env=False).status_code


def reflection_status(address: str) -> grpc.StatusCode:
    """How the question for the services of a server is answered."""
    with grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([question]), timeout=20)
        try:
            for _ in call:
                pass
        except grpc.RpcError:
            pass
        status: grpc.StatusCode = call.code()
        return status


def test_a_revoked_development_key_is_not_revived(data: Path) -> None:
    with running(data) as service:
        key = service.development_key
        assert parley("keys", "revoke", "--data", data, key).returncode == 0
        service.stop()
    with running(data) as service:
        assert "is revoked" in service.output
        with service.client(key=key) as client:
            assert client.post(f"{_GATEWAY}/list-threads", json={}).status_code == 401


def test_a_new_database_gets_a_new_development_key(data: Path) -> None:
    with running(data) as service:
        old = service.development_key
        service.stop()
    for file in data.glob("parley.db*"):
        file.unlink()
    with running(data) as service, service.client() as client:
        assert service.development_key != old
        assert client.post(f"{_GATEWAY}/list-threads", json={}).json() == {"threads": []}


def assert_plain(refused: subprocess.CompletedProcess[str], *words: str) -> None:
    """One or two sentences that say what and where."""
    assert "Traceback" not in refused.stderr
    # Tests have processes log at debug; who starts one sees nothing of that level.
    lines = [line for line in refused.stderr.strip().splitlines() if '"level":"debug"' not in line]
    assert len(lines) == 1, refused.stderr
    assert lines[0].startswith("parley: ")
    for word in words:
        assert word in lines[0]
