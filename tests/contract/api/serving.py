"""The whole service on a real gRPC server on port 0, with a scripted model and keys for whoever a test needs."""

import sys
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import grpc
import httpx
from google.protobuf import descriptor_pool

from gateway.bootstrap import HttpServer, build_app
from gateway.edge.upstream import ChannelUpstream, InProcessUpstream
from server.adapters.guardrails.configuration import load_guardrails
from server.adapters.identity.key_set import KeySet
from server.adapters.identity.verifier import Expected, TokenVerifier
from server.adapters.system import SystemClock, SystemIds
from server.adapters.tools.server_config import StdioEndpoint, ToolServerConfig
from server.adapters.voice.configuration import DailyConfig
from server.adapters.voice.daily import DailyRooms
from server.application.audit import Audit, AuditRecords
from server.application.authentication import Authenticator
from server.application.erasures import Erasures, Pseudonyms
from server.application.exports import Exports
from server.application.guard import Guard
from server.application.key_operation import Keys
from server.application.key_uses import KeyUses
from server.application.keys import KeyFactory
from server.application.known_keys import KnownKeys
from server.application.message_search import MessageSearches
from server.application.own_keys import OwnKeys
from server.application.refusals import Refusals
from server.application.repeats import Repeats
from server.application.spending_rules import SpendingRules
from server.application.usage import UsageRecords
from server.application.webhook_signing import WebhookSecrets
from server.application.webhooks import Webhooks
from server.bootstrap.voice import Calling
from server.domain.key import ApiKey, KeyEnvironment, KeyStyle
from server.domain.principal import Owner
from server.domain.rates import CallLimits
from server.domain.usage import Price
from server.domain.voice import VoiceLimits
from server.domain.webhook import WebhookPolicy
from server.ports.system import Clock
from server.rpc.interceptors.door import door
from server.rpc.interceptors.pipeline import Pipeline
from server.rpc.metrics import Metrics
from server.rpc.server import RpcServer
from server.rpc.services import DESCRIPTORS, Services, UseCases
from tests.contract.api.tool_servers import tool_servers
from tests.support.bad_tokens import LEEWAY_SECONDS
from tests.support.canaries.marks import canary
from tests.support.house import QUICK, House, open_house
from tests.support.issuer import AUDIENCE, SECRET, Issuer
from tests.support.scripted_provider import ScriptedProvider, usage
from tests.support.voice.daily import KEY, StandInDaily
from tests.support.voice.puppets import SilentBots

GUARDRAILS = {"words": ["unspeakable"], "phrases": ["said: secretly"]}
"""What the operator does not allow."""
TIME_SERVER = (str(Path(sys.executable).with_name("mcp-server-time")), "--local-timezone", "UTC")
TOOLS = (ToolServerConfig("time", StdioEndpoint(TIME_SERVER)),)
"""What every tenant may use, once a person has approved; started when it is first asked."""
UNLIMITED = CallLimits(0, 0, 0, 0, 0)
"""Tests that play a service for a while make more calls than anybody may."""
PRICED = SpendingRules(prices={("scripted", "first"): Price(input=1_000_000, output=10_000_000)})
"""What the model costs, and no budgets."""
CALLS = VoiceLimits(per_user=2, per_process=1000)
"""Every case has sessions of its own, which live as long as the server."""
PEPPER = canary("pepper").encode()
# On a busy machine one fetch may take long, and clocks that stand still never let another begin.
_PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Served:
    """A running server and everything behind it."""

    house: House
    issuer: Issuer
    """Whose tokens are taken beside keys."""
    database: Path
    keys: Keys
    uses: KeyUses
    factory: KeyFactory
    services: Services
    pipeline: Pipeline
    metrics: Metrics
    address: str
    channel: grpc.aio.Channel
    in_process: httpx.AsyncClient
    """Speaks HTTP to a gateway in front of the servicers themselves."""
    through_channel: httpx.AsyncClient
    """Speaks HTTP to a gateway in front of `address`."""

    async def key(
        self,
        user: str = "anna",
        *,
        tenant: str = "acme",
        scopes: Collection[str] = ("*",),
        style: KeyStyle = KeyStyle.SECRET,
        expires_at: datetime | None = None,
        requests_per_minute: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key of a user, and its text."""
        return await self.keys.create(
            Owner(tenant, user),
            scopes=scopes,
            style=style,
            environment=KeyEnvironment.TEST,
            expires_at=expires_at,
            requests_per_minute=requests_per_minute,
        )


@asynccontextmanager
async def serve(
    folder: Path,
    *,
    provider: ScriptedProvider | None = None,
    clock: Clock | None = None,
    limits: CallLimits = UNLIMITED,
    reflection_enabled: bool = True,
    rules: SpendingRules = PRICED,
) -> AsyncIterator[Served]:
    """Compose the service over a database in `folder`, listen, and take everything down again. `clock` is what keys and
    tokens are checked by and calls counted. Only keys with limits of their own have one, unless `limits` say more. The
    model says "Hello there" unless a provider is given."""
    provider = provider or ScriptedProvider(default=("Hello", " there", usage(3, 2)))
    ids, metrics, factory = SystemIds(), Metrics(), KeyFactory(PEPPER)
    guard = Guard(load_guardrails({"guardrails": GUARDRAILS}).rules)
    watch = clock or SystemClock()
    async with (
        _calling() as calling,
        open_house(
            folder, provider, guard=guard, tools=(*tool_servers(folder), *TOOLS), rules=rules, calling=calling
        ) as house,
        Issuer() as issuer,
        KeySet(issuer.url, clock=watch, trust_env=False, patience=_PATIENCE) as key_set,
        KeyUses(store=house.store, clock=SystemClock()) as uses,
    ):
        tokens = TokenVerifier(
            expected=Expected(issuer.name, AUDIENCE, timedelta(seconds=LEEWAY_SECONDS)),
            clock=watch,
            key_set=key_set,
            secret=SECRET.encode(),
        )
        audit = Audit(clock=SystemClock(), ids=ids)
        refusals = Refusals(store=house.store, clock=SystemClock(), audit=audit)
        services = Services(
            UseCases(
                threads=house.threads,
                branches=house.branches,
                forks=house.forks,
                compactions=house.compactions,
                runs=house.runs,
                run_prompts=house.run_prompts,
                message_searches=MessageSearches(store=house.store),
                streams=house.streams,
                approvals=house.approvals,
                sessions=house.sessions,
                conversations=house.conversations,
                organizations=house.organizations,
                archive=house.archive,
                archive_chat=house.archive_chat,
                files=house.files,
                storage=house.storage,
                uploads=house.uploads,
                urls=house.urls,
                limits=house.limits,
                chats=house.chats,
                prompts=house.prompts,
                catalogue=house.catalogue,
                tools=house.tools,
                direct_calls=house.direct_calls,
                memories=house.memories,
                keys=OwnKeys(
                    store=house.store,
                    clock=SystemClock(),
                    ids=ids,
                    factory=factory,
                    limits=QUICK,
                    repeats=Repeats(store=house.store, clock=SystemClock(), limits=QUICK, audit=audit),
                ),
                exports=Exports(store=house.store, blobs=house.blobs, factory=factory, audit=audit),
                erasures=Erasures(
                    store=house.store,
                    clock=SystemClock(),
                    ids=ids,
                    pseudonyms=Pseudonyms(factory),
                    repeats=Repeats(store=house.store, clock=SystemClock(), limits=QUICK, audit=audit),
                    limits=QUICK,
                ),
                webhooks=Webhooks(
                    store=house.store,
                    clock=SystemClock(),
                    ids=ids,
                    repeats=Repeats(store=house.store, clock=SystemClock(), limits=QUICK, audit=audit),
                    limits=QUICK,
                    policy=WebhookPolicy(),
                    secrets=WebhookSecrets(factory.derived("webhooks")),
                    due=lambda: None,
                ),
                audit=AuditRecords(store=house.store, limits=QUICK),
                voice=house.voice,
                usage=UsageRecords(store=house.store, clock=SystemClock(), limits=QUICK, rules=house.meter.rules),
                clock=SystemClock(),
            )
        )
        pipeline = Pipeline(
            services=DESCRIPTORS,
            door=door(
                Authenticator(
                    store=house.store,
                    clock=watch,
                    keys=KnownKeys(store=house.store, clock=watch, factory=factory, uses=uses),
                    audit=audit,
                    refusals=refusals,
                    tokens=tokens,
                ),
                clock=watch,
                limits=limits,
            ),
            clock=SystemClock(),
            ids=ids,
            metrics=metrics,
        )
        server = RpcServer(services=services, pipeline=pipeline, reflection_enabled=reflection_enabled)
        address = f"127.0.0.1:{await server.start('127.0.0.1:0')}"
        services.health.set_serving(True)
        local = InProcessUpstream([pipeline])
        services.register(local)
        async with (
            grpc.aio.insecure_channel(address) as channel,
            _gateway(local) as in_process,
            _gateway(ChannelUpstream(address)) as through_channel,
        ):
            yield Served(
                house=house,
                issuer=issuer,
                database=folder / "house.db",
                keys=Keys(store=house.store, clock=SystemClock(), ids=ids, factory=factory, audit=audit),
                uses=uses,
                factory=factory,
                services=services,
                pipeline=pipeline,
                metrics=metrics,
                address=address,
                channel=channel,
                in_process=in_process,
                through_channel=through_channel,
            )
        await server.stop(0)


@asynccontextmanager
async def _calling() -> AsyncIterator[Calling]:
    """Rooms of a Daily of its own, and bots that say nothing."""
    async with StandInDaily() as daily:
        rooms = DailyRooms(DailyConfig(daily.url, KEY), clock=SystemClock(), random=lambda: 0.0)
        async with aclosing(rooms):
            yield Calling(rooms, SilentBots(), CALLS)


@asynccontextmanager
async def _gateway(upstream: InProcessUpstream | ChannelUpstream) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway on a port of its own, and a client of it."""
    names = [service.full_name for service in DESCRIPTORS]
    app = build_app(pool=descriptor_pool.Default(), services=names, upstream=upstream)
    try:
        async with (
            HttpServer(app, host="127.0.0.1", port=0, grace=0) as http,
            httpx.AsyncClient(base_url=f"http://{http.address}", timeout=30, trust_env=False) as client,
        ):
            yield client
    finally:
        await upstream.stop()
