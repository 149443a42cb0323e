"""`python -m gateway`: fronts a gRPC server elsewhere, from a descriptor set alone."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack

from gateway.arguments import Arguments, Misused, parse
from gateway.bootstrap import BadDescriptors, HttpServer, build_app, default_descriptors, load_descriptors
from gateway.config import GatewayConfig
from gateway.core.http_rule import RuleError
from gateway.core.route import UnknownService
from gateway.edge.console import console_pages
from gateway.edge.local_page import LocalPage
from gateway.edge.tls import ListenerTls, TlsUnusable
from gateway.edge.upstream import ChannelUpstream

_USAGE_ERROR = 2
# A renewed certificate is shown this long after its files were replaced, at the latest.
_LOOK_FOR_RENEWAL_SECONDS = 5.0
_HSTS_SECONDS = 365 * 24 * 3600


def main(arguments: list[str] | None = None) -> int:
    """Run the gateway until SIGINT or SIGTERM; 2 for arguments, descriptors and TLS files that cannot be used."""
    try:
        asked = parse(arguments)
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(asked))
    except (Misused, TlsUnusable, BadDescriptors, RuleError, UnknownService, OSError) as error:
        sys.stderr.write(f"gateway: {error}\n")
        return _USAGE_ERROR
    return 0


async def _run(asked: Arguments) -> None:
    tls = None if asked.listener_tls is None else ListenerTls(asked.listener_tls)
    credentials = None if asked.upstream_tls is None else asked.upstream_tls.credentials()
    file = asked.descriptors or default_descriptors()
    if file is None:
        raise BadDescriptors("no descriptors.binpb is installed beside the package; name one with --descriptors")
    pool, everything, described = load_descriptors(file)
    services = asked.services or everything
    config = GatewayConfig(
        cors_origins=asked.cors_origins,
        allowed_hosts=asked.allowed_hosts,
        forwards_clients=True,
        hsts_seconds=0 if tls is None else _HSTS_SECONDS,
    )
    pages = {} if asked.docs == "off" else console_pages(pool=pool, services=services, files=described)
    if asked.docs == "loopback":
        pages = {path: LocalPage(page) for path, page in pages.items()}
    async with AsyncExitStack() as stack:
        upstream = ChannelUpstream(asked.upstream, credentials=credentials)
        stack.push_async_callback(upstream.stop)
        app = build_app(pool=pool, services=services, upstream=upstream, config=config, extra=pages)
        context = None if tls is None else tls.context
        server = HttpServer(app, host=asked.host, port=asked.port, grace=asked.grace, tls=context)
        await stack.enter_async_context(server)
        if tls is not None:
            await stack.enter_async_context(tls.renewing(_LOOK_FOR_RENEWAL_SECONDS))
        scheme = "http" if tls is None else "https"
        sys.stdout.write(f"gateway on {scheme}://{server.address} for {asked.upstream}, {len(app.routes)} routes\n")
        sys.stdout.flush()
        await _stopped()


async def _stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
