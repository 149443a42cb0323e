"""The settings of Kafka: what does not go together is one sentence, and the password is nowhere."""

import os
from pathlib import Path

import pytest

from server import config
from server.bootstrap import kafka
from server.failure import InvalidConfiguration
from tests.support.certificates import Authority

PASSWORD = "canary-of-the-settings"
HERE = {"PARLEY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}
SIGNED_IN = {**HERE, "PARLEY_KAFKA_USER": "parley", "PARLEY_KAFKA_PASSWORD": PASSWORD}


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PARLEY_"):
            monkeypatch.delenv(name)


def loaded(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> config.Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return config.load({})


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PARLEY_KAFKA_BOOTSTRAP_SERVERS": "kafka"}, "PARLEY_KAFKA_BOOTSTRAP_SERVERS: expected brokers such as"),
        ({"PARLEY_KAFKA_BOOTSTRAP_SERVERS": "a:1,b:99999"}, "'b:99999' is none"),
        ({**HERE, "PARLEY_KAFKA_TOPIC": "a topic"}, "PARLEY_KAFKA_TOPIC: "),
        ({**HERE, "PARLEY_KAFKA_FORMAT": "avro"}, "PARLEY_KAFKA_FORMAT: "),
        ({**HERE, "PARLEY_KAFKA_EVENT_BYTES": "10"}, "PARLEY_KAFKA_EVENT_BYTES: "),
        ({**HERE, "PARLEY_KAFKA_SECURITY_PROTOCOL": "tls"}, "PARLEY_KAFKA_SECURITY_PROTOCOL: "),
        ({**HERE, "PARLEY_KAFKA_USER": "parley"}, "PARLEY_KAFKA_USER and PARLEY_KAFKA_PASSWORD go together"),
        ({**HERE, "PARLEY_KAFKA_KEY": "k.pem"}, "PARLEY_KAFKA_CERTIFICATE and PARLEY_KAFKA_KEY go together"),
        (SIGNED_IN, "need a PARLEY_KAFKA_SECURITY_PROTOCOL of sasl_ssl"),
        ({**HERE, "PARLEY_KAFKA_SECURITY_PROTOCOL": "sasl_ssl"}, "and those need them"),
        ({**HERE, "PARLEY_KAFKA_CA": "ca.pem"}, "need a PARLEY_KAFKA_SECURITY_PROTOCOL of ssl or sasl_ssl"),
        (
            {**SIGNED_IN, "PARLEY_KAFKA_SECURITY_PROTOCOL": "sasl_plaintext", "PARLEY_KAFKA_SASL_MECHANISM": "plain"},
            "would send the password unencrypted",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        loaded(monkeypatch, variables)
    assert says in str(refused.value)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_without_servers_there_is_no_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kafka.read_kafka(loaded(monkeypatch, {})) is None


def test_the_settings_are_those_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(
        monkeypatch,
        {
            **SIGNED_IN,
            "PARLEY_KAFKA_BOOTSTRAP_SERVERS": "a:1, b:2",
            "PARLEY_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "PARLEY_KAFKA_FORMAT": "json",
        },
    )
    pytest.importorskip("aiokafka")
    read = kafka.read_kafka(settings)
    assert read is not None
    arguments = read.connection.arguments()
    assert arguments.pop("ssl_context").check_hostname
    assert arguments == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "parley",
        "sasl_plain_password": PASSWORD,
    }
    assert (read.topic, read.codec.content_type) == ("parley.events", "application/json")
    assert PASSWORD not in repr(read) + repr(settings) + str(settings)


def test_without_the_extra_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "find_spec", lambda _: None)
    with pytest.raises(InvalidConfiguration, match=r"needs the extra 'kafka': pip install 'parley\[kafka\]'\.$"):
        kafka.read_kafka(loaded(monkeypatch, HERE))


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PARLEY_KAFKA_CA": "absent.pem"}, "absent.pem of PARLEY_KAFKA_CA cannot be read"),
        ({"PARLEY_KAFKA_CA": "noise.pem"}, "noise.pem of PARLEY_KAFKA_CA hold no usable PEM"),
        (
            {"PARLEY_KAFKA_CERTIFICATE": "absent.pem", "PARLEY_KAFKA_KEY": "absent.key"},
            "of PARLEY_KAFKA_CERTIFICATE and PARLEY_KAFKA_KEY cannot be read",
        ),
        (
            {"PARLEY_KAFKA_CERTIFICATE": "noise.pem", "PARLEY_KAFKA_KEY": "noise.pem"},
            "of PARLEY_KAFKA_CERTIFICATE and PARLEY_KAFKA_KEY hold no usable PEM",
        ),
    ],
)
def test_files_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    pytest.importorskip("aiokafka")
    (tmp_path / "noise.pem").write_text("noise")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidConfiguration, match=r"^The files? ") as refused:
        kafka.read_kafka(loaded(monkeypatch, {**HERE, "PARLEY_KAFKA_SECURITY_PROTOCOL": "ssl", **variables}))
    assert says in str(refused.value)


def test_a_certificate_is_shown_to_the_brokers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("aiokafka")
    authority = Authority(tmp_path)
    shown = authority.issue("parley")
    read = kafka.read_kafka(
        loaded(
            monkeypatch,
            {
                **HERE,
                "PARLEY_KAFKA_SECURITY_PROTOCOL": "ssl",
                "PARLEY_KAFKA_CA": str(authority.file),
                "PARLEY_KAFKA_CERTIFICATE": str(shown.certificate),
                "PARLEY_KAFKA_KEY": str(shown.key),
            },
        )
    )
    assert read is not None
    assert read.connection.tls is not None
    assert len(read.connection.tls.get_ca_certs()) == 1
