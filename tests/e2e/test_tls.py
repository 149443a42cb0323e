"""`parley serve`, `parley chat` and `python -m gateway` over TLS, as a user starts them."""

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.service import Service, environment, parley, running
from tests.support.certificates import Authority, client_context

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def caller(address: str, context: ssl.SSLContext, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"https://{address}", verify=context, headers={"X-API-Key": key}, timeout=30, trust_env=False
    )


@contextmanager
def encrypted(data: Path, authority: Authority, *flags: str) -> Iterator[Service]:
    pair = authority.issue("server")
    with running(data, "--tls-certificate", str(pair.certificate), "--tls-key", str(pair.key), *flags) as service:
        yield service


def test_both_addresses_speak_tls_and_chat_finds_that_out(data: Path, authority: Authority) -> None:
    with encrypted(data, authority) as service:
        assert f"https://{service.addresses['http']}" in service.output
        assert f"{service.grpc} (TLS)" in service.output
        with caller(service.addresses["http"], client_context(authority.file), service.development_key) as client:
            made = client.post(f"{_GATEWAY}/create-thread", json={"name": "n", "conversation_key": "k"})
            assert made.status_code == 200
            message = {"conversation_key": "k", "user_message": {"role": "user", "content": "hello"}}
            with client.stream("POST", f"{_GATEWAY}/generate", json=message) as reply:
                assert [line for line in reply.iter_lines() if line.startswith("event:")][-1] == "event: run_ended"
        chat = ("chat", "--data", data, "--thread", "k", "one two three")
        done = parley(*chat, "--server-ca", authority.file)
        assert (done.returncode, "one two three" in done.stdout) == (0, True), done.stderr
        distrustful = parley(*chat)
        assert distrustful.returncode == 1
        assert "cannot be verified" in distrustful.stderr
        plain = parley(*chat, "--no-server-tls")
        assert (plain.returncode, "--server-tls" in plain.stderr) == (1, True)
        assert "Traceback" not in service.output
        assert service.stop() == 0


def test_other_machines_may_be_served_with_tls_and_without_insecure(data: Path, authority: Authority) -> None:
    with encrypted(data, authority, "--http", "0.0.0.0:0", "--grpc", "0.0.0.0:0") as service:
        assert not (data / "dev.key").exists()
        port = service.addresses["http"].rpartition(":")[2]
        with caller(f"127.0.0.1:{port}", client_context(authority.file), "none") as client:
            assert client.get("/healthz").status_code == 200


def test_with_a_client_ca_chat_and_callers_need_a_certificate(data: Path, authority: Authority) -> None:
    anna = authority.issue("anna")
    with encrypted(data, authority, "--tls-client-ca", str(authority.file)) as service:
        address, key = service.addresses["http"], service.development_key
        with caller(address, client_context(authority.file, anna), key) as client:
            assert client.post(f"{_GATEWAY}/list-threads", json={}).status_code == 200
        with caller(address, client_context(authority.file), key) as client, pytest.raises(httpx.TransportError):
            client.get("/healthz")
        chat = ("chat", "--data", data, "--server-ca", authority.file, "hello")
        certificate = ("--client-certificate", anna.certificate, "--client-key", anna.key)
        assert parley(*chat, *certificate).returncode == 0
        refused = parley(*chat)
        assert (refused.returncode, "--client-certificate" in refused.stderr) == (1, True)


def test_the_gateway_alone_speaks_tls_on_both_sides(data: Path, authority: Authority) -> None:
    own = authority.issue("gateway")
    command = [sys.executable, "-m", "gateway", "--http", "127.0.0.1:0"]
    command += ["--tls-certificate", str(own.certificate), "--tls-key", str(own.key)]
    command += ["--upstream-ca", str(authority.file)]
    command += ["--upstream-certificate", str(own.certificate), "--upstream-key", str(own.key)]
    with encrypted(data, authority, "--tls-client-ca", str(authority.file)) as service:
        command += ["--upstream", service.grpc]
        with subprocess.Popen(command, cwd=_ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().split()[2]
                with caller(url[8:], client_context(authority.file), service.development_key) as client:
                    assert url.startswith("https://")
                    assert client.get("/readyz").status_code == 200
                    assert client.post(f"{_GATEWAY}/list-threads", json={}).json() == {"threads": []}
            finally:
                process.terminate()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--tls-certificate", "server.pem"], ["PARLEY_TLS_CERTIFICATE", "PARLEY_TLS_KEY", "go together"]),
        (["--tls-client-ca", "authority.pem"], ["PARLEY_TLS_CLIENT_CA needs PARLEY_TLS_CERTIFICATE"]),
        (["--tls-certificate", "nowhere.pem", "--tls-key", "server.key"], ["nowhere.pem cannot be read"]),
        (["--tls-certificate", "server.pem", "--tls-key", "other.key"], ["other.key is not that of the certificate"]),
    ],
)
def test_files_that_cannot_be_used_are_said_in_a_sentence(
    data: Path, tmp_path: Path, authority: Authority, flags: list[str], words: list[str]
) -> None:
    authority.issue("server")
    authority.issue("other")
    refused = parley("serve", "--data", data, *flags, cwd=tmp_path, env={"PYTHONPATH": str(_ROOT)})
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (2, 1), refused.stderr
    for word in words:
        assert word in refused.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--http", "0.0.0.0:0"], "others can reach 0.0.0.0"),
        (["--http", "127.0.0.1:0", "--upstream", "192.0.2.1:50051"], "would cross the network to 192.0.2.1:50051"),
        (["--http", "127.0.0.1:0", "--tls-key", "x"], "go together"),
        (["--http", "127.0.0.1:0", "--upstream-key", "x"], "go together"),
        (["--http", "127.0.0.1:0", "--upstream-ca", "/nowhere.pem"], "/nowhere.pem cannot be read"),
    ],
)
def test_the_gateway_alone_refuses_what_is_not_safe_and_what_cannot_be_used(flags: list[str], words: str) -> None:
    command = [sys.executable, "-m", "gateway", "--upstream", "127.0.0.1:1", *flags]
    refused = subprocess.run(
        command, cwd=_ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert words in refused.stderr
