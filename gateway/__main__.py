"""`python -m gateway`: fronts a gRPC server elsewhere, from a descriptor set alone."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from gateway.bootstrap import BadDescriptors, HttpServer, build_app, default_descriptors, load_descriptors
from gateway.config import GatewayConfig
from gateway.core.http_rule import RuleError
from gateway.core.route import UnknownService
from gateway.edge.console import console_pages
from gateway.edge.upstream import ChannelUpstream

_USAGE_ERROR = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the gateway until SIGINT or SIGTERM; 2 for arguments and descriptors that cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(options))
    except (BadDescriptors, RuleError, UnknownService, OSError) as error:
        sys.stderr.write(f"gateway: {error}\n")
        return _USAGE_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT", help="the gRPC server")
    parser.add_argument(
        "--http", required=True, metavar="HOST:PORT", type=_address, help="where to listen; port 0: any"
    )
    parser.add_argument(
        "--descriptors", type=Path, metavar="FILE", help="serialised FileDescriptorSet with all imports"
    )
    parser.add_argument("--services", nargs="+", metavar="NAME", help="full names; default: all of the descriptors")
    parser.add_argument(
        "--cors-origin", action="append", default=[], metavar="ORIGIN", help="may be repeated; * is any"
    )
    parser.add_argument("--grace", type=float, default=5.0, metavar="SECONDS", help="for requests under way at the end")
    parser.add_argument("--no-docs", action="store_true", help="do not serve the page /docs")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


async def _run(options: argparse.Namespace) -> None:
    file = options.descriptors or default_descriptors()
    if file is None:
        raise BadDescriptors("no descriptors.binpb is installed beside the package; name one with --descriptors")
    pool, everything, described = load_descriptors(file)
    services = options.services or everything
    upstream = ChannelUpstream(options.upstream)
    config = GatewayConfig(cors_origins=tuple(options.cors_origin))
    pages = console_pages(pool=pool, services=services, files=described, has_docs=not options.no_docs)
    app = build_app(pool=pool, services=services, upstream=upstream, config=config, extra=pages)
    host, port = options.http
    try:
        async with HttpServer(app, host=host, port=port, grace=options.grace) as server:
            sys.stdout.write(f"gateway on http://{server.address} for {options.upstream}, {len(app.routes)} routes\n")
            sys.stdout.flush()
            await _stopped()
    finally:
        await upstream.stop()


async def _stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
