"""What a listener shows of itself, and whom it lets in."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM texts that belong together: they were read at one moment and have been tried."""

    certificate: bytes
    """The certificate, then those between it and the authority that its readers know."""
    key: bytes = field(repr=False)
    """The certificate's private key, without a passphrase."""
    client_ca: bytes | None = None
    """Authorities one of which must have signed a client's certificate; None: clients need none."""
