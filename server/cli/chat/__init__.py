"""`parley chat`: a terminal client on the generated stubs; it shares nothing with the server but the protos."""

from server.cli.chat.session import chat

__all__ = ["chat"]
