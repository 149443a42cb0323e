"""The TLS of a channel: whom it trusts, and what it shows of itself."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from gateway.edge.tls.files import check_pair, check_private, read_authorities, read_file


@dataclass(frozen=True, slots=True)
class ChannelTls:
    """Files of a client. Without `ca` the authorities that gRPC brings along are trusted; `certificate` and `key` are
    for servers that ask for one, and go together."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises `TlsUnusable`."""
        authorities = None if self.ca is None else read_authorities(self.ca)
        if self.certificate is None or self.key is None:
            return grpc.ssl_channel_credentials(root_certificates=authorities)
        check_private(self.key)
        check_pair(self.certificate, self.key)
        return grpc.ssl_channel_credentials(
            root_certificates=authorities,
            private_key=read_file(self.key),
            certificate_chain=read_file(self.certificate),
        )
