"""The settings of Kafka, a part of the service's own; nothing of Kafka is imported for them."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

_SASL: Final = ("sasl_plaintext", "sasl_ssl")
_TLS: Final = ("ssl", "sasl_ssl")
_LEAST_EVENT_BYTES: Final = 4096
_PORTS: Final = range(1, 65536)


class KafkaSettings(BaseSettings):
    """Where events go, and how the brokers are reached."""

    kafka_bootstrap_servers: str | None = Field(
        None, description="Brokers, `HOST:PORT` separated by commas, to which every event goes; unset: no Kafka"
    )
    kafka_topic: str = Field(
        "parley.events",
        pattern=r"^[a-zA-Z0-9._-]{1,249}$",
        description="Topic of the events; nobody else may write to it",
    )
    kafka_format: Literal["protobuf", "json"] = Field(
        "protobuf",
        description="Form of the values: the message `parley.v1.Event` in binary form (`protobuf`) or `json`",
    )
    kafka_event_bytes: int = Field(
        900_000,
        ge=_LEAST_EVENT_BYTES,
        description="A larger event goes by reference; keep it below the topic's `max.message.bytes`",
    )
    kafka_security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="`plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`"
    )
    kafka_ca: Path | None = Field(
        None, description="PEM file of the authorities that the brokers' certificates come from; unset: the machine's"
    )
    kafka_certificate: Path | None = Field(
        None, description="PEM file of the certificate that the brokers are shown, if they ask for one"
    )
    kafka_key: Path | None = Field(None, description="PEM file of its private key")
    kafka_sasl_mechanism: Literal["plain", "scram-sha-256", "scram-sha-512"] = Field(
        "scram-sha-512", description="`plain`, `scram-sha-256` or `scram-sha-512`"
    )
    kafka_user: str | None = Field(None, description="User of SASL")
    kafka_password: SecretStr | None = Field(None, description="Password of that user")

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _check_servers(cls, value: str | None) -> str | None:
        for server in (value or "").replace(",", " ").split():
            host, _, port = server.rpartition(":")
            if not host or not port.isdecimal() or int(port) not in _PORTS:
                raise ValueError(f"expected brokers such as kafka-1:9092,kafka-2:9092, but {server!r} is none")
        return value

    @property
    def kafka_servers(self) -> tuple[str, ...]:
        """The brokers; none when there is no Kafka."""
        return tuple((self.kafka_bootstrap_servers or "").replace(",", " ").split())

    def check_kafka(self) -> None:
        """Raise `ValueError`, with a sentence, for settings that do not go together."""
        if (self.kafka_user is None) != (self.kafka_password is None):
            raise ValueError("PARLEY_KAFKA_USER and PARLEY_KAFKA_PASSWORD go together, and one of them is missing")
        if (self.kafka_certificate is None) != (self.kafka_key is None):
            raise ValueError("PARLEY_KAFKA_CERTIFICATE and PARLEY_KAFKA_KEY go together, and one of them is missing")
        if (self.kafka_security_protocol in _SASL) != (self.kafka_user is not None):
            raise ValueError(
                "PARLEY_KAFKA_USER and PARLEY_KAFKA_PASSWORD need a PARLEY_KAFKA_SECURITY_PROTOCOL of sasl_ssl or "
                "sasl_plaintext, and those need them"
            )
        if self.kafka_security_protocol not in _TLS and (self.kafka_ca or self.kafka_certificate):
            raise ValueError(
                "PARLEY_KAFKA_CA and PARLEY_KAFKA_CERTIFICATE need a PARLEY_KAFKA_SECURITY_PROTOCOL of ssl or sasl_ssl"
            )
        if self.kafka_security_protocol == "sasl_plaintext" and self.kafka_sasl_mechanism == "plain":
            raise ValueError(
                "PARLEY_KAFKA_SASL_MECHANISM=plain would send the password unencrypted: use a "
                "PARLEY_KAFKA_SECURITY_PROTOCOL of sasl_ssl, or scram-sha-512"
            )
