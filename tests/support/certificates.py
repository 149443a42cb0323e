"""Authorities and certificates made for one test, as files."""

import asyncio
import ipaddress
import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)
_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key (0600)."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; `file` is its own."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.file = folder / f"{name}.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        made = _builder(self._name, self._name, self._key.public_key(), -_DAY, 30 * _DAY)
        made = made.add_extension(constraints, critical=True).add_extension(_usage(), critical=True)
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, expired: bool = False, hosts: tuple[str, ...] = _HOSTS) -> Pair:
        """A certificate for these hosts, good for servers and clients, as `NAME.pem` with `NAME.key`. The same name
        again replaces the files, as a renewal does."""
        key = ec.generate_private_key(ec.SECP256R1())
        start, end = (-20 * _DAY, -_DAY) if expired else (-_DAY, 20 * _DAY)
        made = _builder(_name(name), self._name, key.public_key(), start, end)
        made = made.add_extension(x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False)
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        made = made.add_extension(purposes, critical=False)
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        write_key(pair.key, key)
        _replace(
            pair.certificate, made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), 0o644
        )
        return pair


def client_context(ca: Path, shown: Pair | None = None) -> ssl.SSLContext:
    """The TLS of an ordinary client that trusts `ca`."""
    context = ssl.create_default_context(cafile=ca)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


def outdated(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, taken back to TLS 1.1, which no default allows any more."""
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


async def shown_by(port: int, context: ssl.SSLContext) -> str:
    """Connect, and give the serial number of the certificate that is shown, once the server has let us in. Raises
    `OSError` (`ssl.SSLError` is one) when either side refuses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1")
    try:
        serial: str = writer.get_extra_info("peercert")["serialNumber"]
        # In TLS 1.3 a server that refuses the client says so after the handshake, as the client sees it. Something
        # that is no request gets an answer of either face.
        writer.write(b"\r\n\r\nnonsense\r\n\r\n")
        async with asyncio.timeout(10):
            if not await reader.read(1):
                raise ConnectionResetError("closed without a word")
        return serial
    finally:
        writer.close()


def write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> None:
    """Write a private key (0600)."""
    protection: serialization.KeySerializationEncryption = (
        serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    _replace(path, pem, 0o600)


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.chmod(mode)
    draft.replace(path)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: timedelta, end: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + end)
    )


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
