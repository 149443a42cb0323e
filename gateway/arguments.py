"""The command line of `python -m gateway`, and what is refused before anything is opened."""

import argparse
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from gateway.edge.hosts import LOOPBACK, default_hosts
from gateway.edge.tls import ChannelTls, TlsFiles


class Misused(ValueError):
    """Arguments that cannot go together; the text says why."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was asked for."""

    upstream: str
    host: str
    port: int
    descriptors: Path | None
    services: list[str] | None
    cors_origins: tuple[str, ...]
    grace: float
    docs: str
    """Who sees `/docs` and `/openapi.json`: `off`, `loopback` or `on`."""
    allowed_hosts: tuple[str, ...]
    listener_tls: TlsFiles | None
    upstream_tls: ChannelTls | None


def parse(arguments: list[str] | None) -> Arguments:
    """Read the command line; exits with 2 where argparse does. Raises `Misused`."""
    given = _parser().parse_args(arguments)
    host, port = given.http
    listener, upstream = _listener_tls(given), _upstream_tls(given)
    if not given.insecure:
        if listener is None and not _is_loopback(host):
            raise Misused(
                f"others can reach {host}, and keys and content would cross the network unencrypted; name a "
                "certificate with --tls-certificate and --tls-key, bind to 127.0.0.1 behind a TLS proxy, or say "
                "--insecure"
            )
        if upstream is None and not _is_on_this_machine(given.upstream):
            raise Misused(
                f"keys and content would cross the network to {given.upstream} unencrypted; say --upstream-tls or "
                "--upstream-ca, or --insecure"
            )
    return Arguments(
        upstream=given.upstream,
        host=host,
        port=port,
        descriptors=given.descriptors,
        services=given.services,
        cors_origins=tuple(given.cors_origin),
        grace=given.grace,
        docs="off" if given.no_docs else given.docs,
        allowed_hosts=(*given.allowed_host, host, *LOOPBACK) if given.allowed_host else default_hosts(host),
        listener_tls=listener,
        upstream_tls=upstream,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway", description="Fronts a gRPC server elsewhere, from a descriptor set alone."
    )
    add = parser.add_argument
    add("--upstream", required=True, metavar="HOST:PORT", help="the gRPC server")
    add("--http", required=True, metavar="HOST:PORT", type=_address, help="where to listen; port 0: any")
    add("--descriptors", type=Path, metavar="FILE", help="serialised FileDescriptorSet with all imports")
    add("--services", nargs="+", metavar="NAME", help="full names; default: all of the descriptors")
    add("--cors-origin", action="append", default=[], metavar="ORIGIN", help="may be repeated; * is any")
    add("--grace", type=float, default=5.0, metavar="SECONDS", help="for requests under way at the end")
    exposures = ("off", "loopback", "on")
    add("--docs", choices=exposures, default="loopback", help="who sees /docs and /openapi.json; default: this machine")
    add("--no-docs", action="store_true", help="the same as --docs off")
    add("--allowed-host", action="append", default=[], metavar="NAME", help="name to be called by; may be repeated")
    add("--tls-certificate", type=Path, metavar="FILE", help="certificate chain of the listener, in PEM form")
    add("--tls-key", type=Path, metavar="FILE", help="its private key, readable by its owner alone")
    add("--tls-client-ca", type=Path, metavar="FILE", help="authorities from which every client needs a certificate")
    add("--upstream-tls", action="store_true", help="speak TLS to the server")
    add("--upstream-ca", type=Path, metavar="FILE", help="authorities of the server's certificate; means TLS")
    add("--upstream-certificate", type=Path, metavar="FILE", help="certificate to show to the server; means TLS")
    add("--upstream-key", type=Path, metavar="FILE", help="its private key")
    add("--insecure", action="store_true", help="listen for other machines, and call one, without TLS")
    return parser


def _listener_tls(given: argparse.Namespace) -> TlsFiles | None:
    if (given.tls_certificate is None) != (given.tls_key is None):
        raise Misused("--tls-certificate and --tls-key go together, and one of them is missing")
    if given.tls_certificate is None:
        if given.tls_client_ca is not None:
            raise Misused("--tls-client-ca needs --tls-certificate and --tls-key")
        return None
    return TlsFiles(given.tls_certificate, given.tls_key, given.tls_client_ca)


def _upstream_tls(given: argparse.Namespace) -> ChannelTls | None:
    if (given.upstream_certificate is None) != (given.upstream_key is None):
        raise Misused("--upstream-certificate and --upstream-key go together, and one of them is missing")
    if not (given.upstream_tls or given.upstream_ca or given.upstream_certificate):
        return None
    return ChannelTls(given.upstream_ca, given.upstream_certificate, given.upstream_key)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _is_on_this_machine(target: str) -> bool:
    """Say whether what grpc calls a target is on this machine: a socket in the file system, or a loopback address."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = target.removeprefix("dns:").removeprefix("///").rpartition(":")[0]
    return _is_loopback(host.strip("[]"))


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
