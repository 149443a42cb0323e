"""The whole service behind a gateway with its document and console, on a free port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.bootstrap import HttpServer, build_app
from gateway.config import GatewayConfig
from gateway.core.openapi import Info
from gateway.edge.console import console_pages
from gateway.edge.upstream import InProcessUpstream
from server.rpc.services import DESCRIPTORS
from tests.contract.api.serving import Served, serve
from tests.support.pools import ROOT
from tests.support.scripted_provider import ScriptedProvider

SERVICES = tuple(each.full_name for each in DESCRIPTORS)


@dataclass(frozen=True, slots=True)
class Live:
    """A running service: where it listens, and what is behind it."""

    url: str
    served: Served


@asynccontextmanager
async def live_service(
    folder: Path, *, provider: ScriptedProvider | None = None, config: GatewayConfig | None = None
) -> AsyncIterator[Live]:
    """Serve over a database in `folder`; the model says "Hello there" unless a provider is given."""
    files = FileDescriptorSet.FromString((ROOT / "generated" / "descriptors.binpb").read_bytes())
    pool = descriptor_pool.Default()
    pages = console_pages(pool=pool, services=SERVICES, files=files, info=Info(title="Parley", version="0.1.0"))
    async with serve(folder, provider=provider) as served:
        upstream = InProcessUpstream([served.pipeline])
        served.services.register(upstream)
        app = build_app(pool=pool, services=SERVICES, upstream=upstream, config=config, extra=pages)
        async with HttpServer(app, host="127.0.0.1", port=0, grace=0.1) as server:
            yield Live(url=f"http://{server.address}", served=served)
        await upstream.stop()
