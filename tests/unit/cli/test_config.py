"""Settings: flags, variables, defaults, and what is refused."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from server import config
from server.domain.limits import Limits
from server.failure import InvalidConfiguration


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PARLEY_", "OPENROUTER_")):
            monkeypatch.delenv(name)


def test_without_anything_the_defaults_hold() -> None:
    settings = config.load({})
    assert (str(settings.http), str(settings.grpc), settings.data) == (
        "127.0.0.1:8080",
        "127.0.0.1:50051",
        Path(".parley"),
    )
    assert settings.limits == Limits()


def test_a_flag_goes_before_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_HTTP", "127.0.0.1:1")
    monkeypatch.setenv("PARLEY_GRPC", "127.0.0.1:2")
    settings = config.load({"http": "127.0.0.1:3", "grpc": None})
    assert (settings.http.port, settings.grpc.port) == (3, 2)


def test_a_blank_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_HTTP", "")
    assert config.load({}).http.port == 8080


def test_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_RUN_SECONDS", "7.5")
    monkeypatch.setenv("PARLEY_QUEUE_PER_CONVERSATION", "0")
    limits = config.load({}).limits
    assert (limits.run_duration, limits.queue_per_conversation) == (timedelta(seconds=7.5), 0)


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PARLEY_KEY_PEPPER", "PARLEY_OPENAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.setenv(name, "hidden-0123456789")
    settings = config.load({"database": "postgresql://anna:hidden@localhost/parley"})
    assert "hidden" not in repr(settings) + str(settings) + repr(config.load_client({"key": "hidden"}))
    assert settings.key_pepper is not None
    assert settings.key_pepper.get_secret_value() == "hidden-0123456789"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.load({}).insecure = True


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PARLEY_GRPCC", "x", "PARLEY_GRPCC, which is no setting.*PARLEY_GRPC"),
        ("parley_datta", "x", "parley_datta, which is no setting.*PARLEY_DATA"),
        ("PARLEY_LOG_LEVEL", "loud", "PARLEY_LOG_LEVEL: "),
        ("PARLEY_LEASE_SECONDS", "3", "PARLEY_LEASE_SECONDS must be at least twice"),
        ("PARLEY_RUN_ATTEMPTS", "0", "PARLEY_RUN_ATTEMPTS: "),
        ("PARLEY_KEY_PEPPER", "hidden", "PARLEY_KEY_PEPPER must have"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidConfiguration, match=says) as refused:
        config.load({})
    assert "hidden" not in str(refused.value)


TOKENS = {"jwt_issuer": "https://issuer.example", "jwt_audience": "parley"}


def test_tokens_need_an_issuer_an_audience_and_keys() -> None:
    complete = {**TOKENS, "jwt_jwks_url": "https://issuer.example/keys"}
    assert config.load(complete).jwt_jwks_url == "https://issuer.example/keys"
    for name in complete:
        with pytest.raises(InvalidConfiguration, match="PARLEY_JWT_ISSUER"):
            config.load({key: value for key, value in complete.items() if key != name})


def test_a_short_shared_secret_is_refused_without_showing_it() -> None:
    assert config.load({**TOKENS, "jwt_secret": "s" * 32}).jwt_secret is not None
    with pytest.raises(InvalidConfiguration, match="PARLEY_JWT_SECRET") as caught:
        config.load({**TOKENS, "jwt_secret": "hidden-" + "s" * 24})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/keys",
        "ftp://issuer.example/keys",
        "https://anna:secret@issuer.example/keys",
        "https:///keys",
        "https://[::1",
        "https://issuer.example:port/",
        "keys.json",
    ],
)
def test_keys_come_from_nowhere_but_their_issuer(url: str) -> None:
    with pytest.raises(InvalidConfiguration, match="PARLEY_JWT_JWKS_URL"):
        config.load({**TOKENS, "jwt_jwks_url": url})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/keys", "http://localhost/keys", "http://[::1]:9/keys"])
def test_an_issuer_on_this_machine_needs_no_tls(url: str) -> None:
    assert config.load({**TOKENS, "jwt_jwks_url": url}).jwt_jwks_url == url
