"""Reads certificates and private keys from files, and says in a sentence what is wrong with them."""

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from gateway.edge.tls.identity import Identity

_TRIES = 3
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
Stamp = tuple[tuple[int, int, int] | None, ...]


class TlsUnusable(Exception):
    """A file cannot be used for TLS; the text is a sentence that names it."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where an identity is kept: a certificate chain, its key, and the authorities of clients where they need one."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def read(self) -> Identity:
        """Give what the files hold, tried out: the key belongs to the certificate. Raises `TlsUnusable`."""
        for _ in range(_TRIES):
            before = self.stamp()
            check_private(self.key)
            check_pair(self.certificate, self.key)
            authorities = None if self.client_ca is None else read_authorities(self.client_ca)
            identity = Identity(read_file(self.certificate), read_file(self.key), authorities)
            if self.stamp() == before:
                return identity
        raise TlsUnusable(f"{self.certificate} and {self.key} change while they are read.")

    def stamp(self) -> Stamp:
        """Give what differs when a file has been written or replaced; None for one that is not there."""
        return tuple(_stamp(path) for path in (self.certificate, self.key, self.client_ca) if path is not None)


def read_file(path: Path) -> bytes:
    """Give the bytes of a file. Raises `TlsUnusable`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsUnusable(f"{path} cannot be read: {_fact(error)}.") from None


def read_authorities(path: Path) -> bytes:
    """Give the certificates of authorities. Raises `TlsUnusable`, also for a file that holds none."""
    found = read_file(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=found.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError):
        raise TlsUnusable(f"{path} holds no certificate in PEM form.") from None
    return found


def check_private(key: Path) -> None:
    """Refuse a private key that others than its owner can read or change. One that root owns may be read by its group,
    as distributions and orchestrators hand keys to services. Raises `TlsUnusable`."""
    try:
        found = key.stat()
    except OSError as error:
        raise TlsUnusable(f"{key} cannot be read: {_fact(error)}.") from None
    allowed = stat.S_IRGRP if found.st_uid == 0 else 0
    if stat.S_IMODE(found.st_mode) & _OTHERS & ~allowed:
        raise TlsUnusable(f"{key} is a private key that others than its owner can read or change; say chmod 600 {key}.")


def check_pair(certificate: Path, key: Path) -> None:
    """Try out a certificate with its key. Raises `TlsUnusable`."""
    read_file(key)
    if b"CERTIFICATE-----" not in read_file(certificate):
        raise TlsUnusable(f"{certificate} holds no certificate in PEM form.")
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except ssl.SSLError as error:
        raise TlsUnusable(_why_no_pair(error, certificate, key)) from None
    except OSError as error:
        raise TlsUnusable(f"{certificate} and {key} cannot be read: {_fact(error)}.") from None


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load a certificate with its key into a context. Never asks a terminal for a passphrase."""
    # What is given for a passphrase is wrong for every key that has one; without it OpenSSL would ask and wait.
    context.load_cert_chain(certificate, key, password="")


def _why_no_pair(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"The private key {key} is not that of the certificate {certificate}."
    held = read_file(key)
    if b"ENCRYPTED" in held:
        return f"{key} is protected by a passphrase, which nobody can enter here; name a key without one."
    if b"PRIVATE KEY-----" not in held:
        return f"{key} holds no private key in PEM form."
    return f"{certificate} and {key} cannot be used together ({error.reason or 'not understood'})."


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _fact(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
