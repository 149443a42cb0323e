"""TLS from files: what a listener shows and asks for, what a channel trusts."""

from gateway.edge.tls.channel import ChannelTls
from gateway.edge.tls.files import TlsFiles, TlsUnusable
from gateway.edge.tls.identity import Identity
from gateway.edge.tls.listener import ListenerTls

__all__ = ["ChannelTls", "Identity", "ListenerTls", "TlsFiles", "TlsUnusable"]
