"""The TLS of a listener, which takes up renewed certificates while it listens."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

from gateway.edge.tls.files import TlsFiles, TlsUnusable, load_pair
from gateway.edge.tls.identity import Identity

_LOGGER = logging.getLogger(__name__)
# TLS 1.2 with forward secrecy and authenticated encryption only; what TLS 1.3 has is all of that kind.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ListenerTls:
    """An identity from files, and the context with which connections are accepted under it.

    TLS 1.2 at least. With a client CA, clients without a certificate from there are refused in the handshake.
    """

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; raises `TlsUnusable`."""
        self._files = files
        self._stamp = files.stamp()
        self.identity = files.read()
        """What is shown to new connections, for listeners that are no `ssl.SSLContext`."""
        self._current = _context(files, self.identity)
        self.context = _context(files, self.identity)
        """What a server listens with, for as long as it does."""
        # The one place where OpenSSL lets a connection under way choose a context: so a renewal replaces all at once.
        self.context.sni_callback = self._choose

    def renew(self) -> bool:
        """Read the files again if they changed; True: new connections see what they hold now.

        Raises `TlsUnusable`; what was shown before is shown on then.
        """
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return False
        identity = self._files.read()
        self._current = _context(self._files, identity)
        self.identity = identity
        self._stamp = stamp
        return True

    @contextlib.asynccontextmanager
    async def renewing(self, every: float) -> AsyncIterator[None]:
        """Look every so many seconds, for the length of the block, whether the files have been renewed."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch(every))
            try:
                yield
            finally:
                watching.cancel()

    async def _watch(self, every: float) -> None:
        told = ""
        while True:
            await asyncio.sleep(every)
            try:
                if await asyncio.to_thread(self.renew):
                    _LOGGER.warning("The TLS certificate has been renewed: %s", self._files.certificate)
                told = ""
            except TlsUnusable as error:
                # Files are replaced one after the other: the next look may find them whole. Said once for each cause.
                if str(error) != told:
                    _LOGGER.error("The TLS files changed, and the former stay in use: %s", error)  # noqa: TRY400 - the sentence says all
                told = str(error)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> Any:
        connection.context = self._current


def _context(files: TlsFiles, identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    load_pair(context, files.certificate, files.key)
    if identity.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=identity.client_ca.decode("ascii"))
        # A resumed session would not show its certificate again, whatever has become of it meanwhile.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context
