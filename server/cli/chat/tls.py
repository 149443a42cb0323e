"""TLS of the terminal client: whom it trusts, and the certificate that it shows where one is asked for."""

import ssl
import stat
from pathlib import Path

import grpc

from server.config import ClientSettings
from server.failure import InvalidConfiguration


def credentials(client: ClientSettings, *, server_has_tls: bool) -> grpc.ChannelCredentials | None:
    """Credentials of the channel; `None` for a server that speaks no TLS, as its directory says unless the settings say
    otherwise. Raises `InvalidConfiguration` for a file that cannot be used."""
    wanted = client.server_tls
    if wanted is None:
        wanted = server_has_tls or client.server_ca is not None or client.client_certificate is not None
    if not wanted:
        return None
    authorities = None if client.server_ca is None else _authorities(client.server_ca)
    if client.client_certificate is None or client.client_key is None:
        return grpc.ssl_channel_credentials(authorities)
    _check_pair(client.client_certificate, client.client_key)
    return grpc.ssl_channel_credentials(authorities, _read(client.client_key), _read(client.client_certificate))


def _authorities(path: Path) -> bytes:
    found = _read(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise InvalidConfiguration(f"{path} holds no certificate in PEM form.") from None
    return found


def _check_pair(certificate: Path, key: Path) -> None:
    _read(certificate)
    _read(key)
    if stat.S_IMODE(key.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidConfiguration(f"{key} is a private key that others can read or change; say chmod 600 {key}.")
    try:
        # An empty passphrase: a key that has one is refused, where OpenSSL would otherwise ask for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):
        raise InvalidConfiguration(
            f"{certificate} and {key} are not a certificate in PEM form with its key, without a passphrase."
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidConfiguration(f"{path} cannot be read: {(error.strerror or 'no reason given').lower()}.") from None
