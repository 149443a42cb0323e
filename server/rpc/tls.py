"""TLS on the gRPC port: credentials that follow a certificate's renewal."""

from collections.abc import Callable
from typing import Protocol

import grpc


class Identity(Protocol):
    """PEM texts that belong together."""

    @property
    def certificate(self) -> bytes:
        """The server's certificate chain."""

    @property
    def key(self) -> bytes:
        """The certificate's private key."""

    @property
    def client_ca(self) -> bytes | None:
        """Authorities of clients' certificates; `None`: clients need none."""


IdentitySource = Callable[[], Identity]
"""Gives what new connections are to see; called for each, by threads of gRPC's own."""


def server_credentials(source: IdentitySource) -> grpc.ServerCredentials:
    """Credentials that show each new connection what `source` gives then. gRPC itself takes TLS 1.2 at least.

    Whether clients need a certificate is settled by the identity of the moment; whose, by that of each handshake.
    """
    shown = source()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        identity = source()
        if identity is shown:
            return None
        shown = identity
        return _configuration(identity)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(shown),
        changed,  # type: ignore[arg-type]  # the stubs leave out that None keeps what is shown
        require_client_authentication=shown.client_ca is not None,
    )


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)], identity.client_ca)
