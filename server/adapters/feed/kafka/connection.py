"""How to reach the brokers: addresses, encryption and credentials, in the form in which the library takes them."""

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class KafkaFilesUnusable(Exception):
    """A file of the TLS settings cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """What a producer and a consumer have in common."""

    servers: tuple[str, ...]
    """`host:port` of the brokers that are asked first."""
    protocol: str = "PLAINTEXT"
    """`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`."""
    tls: ssl.SSLContext | None = None
    mechanism: str = "PLAIN"
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the library's clients."""
        return {
            "bootstrap_servers": list(self.servers),
            "security_protocol": self.protocol,
            "ssl_context": self.tls,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }


def tls_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Trusts the authorities of `ca`, else those of the machine, and shows the certificate where there is one. The
    brokers' names are checked. Raises `KafkaFilesUnusable`."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise KafkaFilesUnusable(f"The file {ca} of PARLEY_KAFKA_CA {_why(error)}") from error
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise KafkaFilesUnusable(
                f"The files {certificate} and {key} of PARLEY_KAFKA_CERTIFICATE and PARLEY_KAFKA_KEY {_why(error)}"
            ) from error
    return context


def quiet_library() -> None:
    """What the library says of each attempt to connect would fill the log while a broker is away; whoever uses it says
    once what matters."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _no_password() -> str:
    # Otherwise OpenSSL would ask at the terminal.
    raise ValueError("encrypted")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return f"cannot be read: {error.strerror}."
    return "hold no usable PEM: a certificate chain and its unencrypted key were expected."
