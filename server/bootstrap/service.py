"""The whole service, composed: store, feed, providers, engine, use cases, servicers, interceptor."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from server.adapters.feed.local import LocalFeed
from server.adapters.figures import PrometheusFigures
from server.adapters.provider.configuration import ProviderKind, ProvidersConfig
from server.adapters.provider.registry import build_registry
from server.adapters.system import SystemClock, SystemIds
from server.adapters.tools.schemas import JsonSchemas
from server.application.audit import Audit
from server.application.direct_calls import DirectCalls
from server.application.guard import Guard
from server.application.key_operation import Keys
from server.application.keys import KeyFactory
from server.application.metering import Meter
from server.application.repeats import Repeats
from server.application.signed_urls import SignedUrls
from server.application.spending_rules import SpendingRules
from server.application.streams import Streams
from server.application.titles import Titles
from server.application.tools import Tools
from server.application.voice import Voice
from server.application.webhook_signing import WebhookSecrets
from server.bootstrap.configuration import (
    read_calling,
    read_embedder,
    read_guardrails,
    read_mcp_servers,
    read_providers,
    read_s3,
    read_spending,
)
from server.bootstrap.files import opened_blobs
from server.bootstrap.identity import open_authenticator
from server.bootstrap.kafka import FEED_PATIENCE, opened_kafka, read_kafka
from server.bootstrap.keys import key_factory, operated_keys
from server.bootstrap.limits import open_door
from server.bootstrap.memory import opened_memory
from server.bootstrap.store import database_url, is_shared, opened_store
from server.bootstrap.tools import opened_tool_servers
from server.bootstrap.use_cases import Parts, use_cases
from server.bootstrap.voice import opened_calling
from server.bootstrap.webhooks import opened_webhooks
from server.config import Settings
from server.domain.model import Model
from server.engine.engine import Engine
from server.engine.wakes import Bells, Wakes
from server.rpc.interceptors.pipeline import Pipeline
from server.rpc.metrics import Metrics
from server.rpc.server import RpcServer
from server.rpc.services import DESCRIPTORS, Services
from server.rpc.tls import IdentitySource

_log = structlog.get_logger(__name__)

SERVICES = tuple(descriptor.full_name for descriptor in DESCRIPTORS)
"""Full names of everything that is served, health and reflection aside."""


@dataclass(frozen=True, slots=True)
class Service:
    """A composed service whose engine works; nobody can call it yet."""

    keys: Keys
    key_factory: KeyFactory
    engine: Engine
    streams: Streams
    voice: Voice
    services: Services
    pipeline: Pipeline
    metrics: Metrics
    default_model: Model
    answers_are_echoed: bool
    """Whether no model is configured."""

    def rpc_server(self, *, reflection_enabled: bool, connections: int, tls: IdentitySource | None = None) -> RpcServer:
        """A gRPC server for it, not started; encrypted where `tls` says what to show."""
        return RpcServer(
            services=self.services,
            pipeline=self.pipeline,
            reflection_enabled=reflection_enabled,
            connections=connections,
            tls=tls,
        )


@asynccontextmanager
async def open_service(settings: Settings, *, database: Path, files: Path, pepper: bytes) -> AsyncIterator[Service]:
    """Open the store, the providers and the engine; closed in the reverse order, running work handed back.

    `database` is the file of the embedded store, `files` the directory of images, `pepper` the secret of the keys, each
    unless the settings name others.
    Raises `CommandFailed`.
    """
    providers, guardrails = read_providers(settings, os.environ), read_guardrails(settings)
    embedder = read_embedder(settings, providers)
    spending = read_spending(settings, providers, embedder)
    rules = SpendingRules(prices=spending.prices, free=spending.free, budgets=spending.budgets)
    voice_config = read_calling(settings, os.environ)
    tool_configs, schemas = read_mcp_servers(settings, os.environ), JsonSchemas()
    s3 = read_s3(settings, os.environ)
    clock, ids, limits, metrics = SystemClock(), SystemIds(), settings.limits, Metrics()
    kafka, outbox, untold = read_kafka(settings), asyncio.Event(), asyncio.Event()
    bells = Bells(outbox, untold)
    feed = LocalFeed(limits=limits, stored=bells.set)
    wakes = Wakes(feed, outbox=bells, patience=FEED_PATIENCE if kafka else timedelta(0))
    guard = Guard(guardrails.rules, message=guardrails.message, figures=PrometheusFigures(metrics.registry))
    factory = key_factory(settings, pepper)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(database_url(settings, database), feed=feed, peers=wakes))
        if settings.database is None:
            # The directory's lock makes this process the only worker on the directory's own file: what a killed one
            # held is free at once. On any other database its leases must lapse, for others may work there.
            await store.write_system(lambda tx: tx.void_leases())
        await stack.enter_async_context(
            opened_kafka(
                kafka,
                store=store,
                feed=feed,
                outbox=outbox,
                clock=clock,
                ids=ids,
                limits=limits,
                registry=metrics.registry,
            )
        )
        webhook_secrets = WebhookSecrets(factory.derived("webhooks"))
        webhooks_due = await stack.enter_async_context(
            opened_webhooks(
                settings.webhook_policy,
                store=store,
                clock=clock,
                ids=ids,
                limits=limits,
                secrets=webhook_secrets,
                wake=untold,
            )
        )
        authenticator = await stack.enter_async_context(
            open_authenticator(settings, store=store, clock=clock, ids=ids, factory=factory)
        )
        entrance = await stack.enter_async_context(
            open_door(
                settings,
                authenticator=authenticator,
                store=store,
                clock=clock,
                ids=ids,
                is_shared=is_shared(database_url(settings, database)),
            )
        )
        models = await stack.enter_async_context(build_registry(providers, clock=clock, random=random.random))
        tools = await stack.enter_async_context(opened_tool_servers(tool_configs, schemas=schemas, clock=clock))
        meter = Meter(store=store, clock=clock, ids=ids, rules=rules)
        blobs = await stack.enter_async_context(
            opened_blobs(settings, s3, usual=files, secret=factory.derived("names of objects"), clock=clock)
        )
        remembering = await stack.enter_async_context(
            opened_memory(
                embedder,
                store=store,
                clock=clock,
                ids=ids,
                models=models,
                limits=limits,
                guard=guard,
                meter=meter,
            )
        )
        engine = await stack.enter_async_context(
            Engine(
                store=store,
                models=models,
                blobs=blobs,
                clock=clock,
                ids=ids,
                limits=limits,
                wakes=wakes,
                guard=guard,
                meter=meter,
                servers=tools,
                schemas=schemas,
                recall=remembering.recall,
                memories=remembering.search,
                extractions=remembering.extractions,
            )
        )
        titles = await stack.enter_async_context(
            Titles(store=store, clock=clock, models=models, limits=limits, guard=guard, meter=meter)
        )
        direct_calls = await stack.enter_async_context(
            DirectCalls(
                store=store,
                clock=clock,
                ids=ids,
                repeats=Repeats(store=store, clock=clock, limits=limits, audit=Audit(clock=clock, ids=ids)),
                tools=Tools(tools),
                servers=tools,
                schemas=schemas,
            )
        )
        calling = await stack.enter_async_context(opened_calling(voice_config, clock=clock, registry=metrics.registry))
        composed = use_cases(
            Parts(
                store=store,
                feed=feed,
                models=models,
                blobs=blobs,
                engine=engine,
                titles=titles,
                direct_calls=direct_calls,
                clock=clock,
                ids=ids,
                limits=limits,
                guard=guard,
                meter=meter,
                tools=tools,
                schemas=schemas,
                factory=factory,
                remembering=remembering,
                webhook_policy=settings.webhook_policy,
                webhook_secrets=webhook_secrets,
                webhooks_due=webhooks_due,
                urls=SignedUrls(factory.derived("signed URLs"), base_url=settings.public_url or ""),
                calling=calling,
            )
        )
        await stack.enter_async_context(composed.voice)
        yield Service(
            keys=operated_keys(store, clock, ids, factory),
            key_factory=factory,
            engine=engine,
            streams=composed.streams,
            voice=composed.voice,
            services=Services(composed),
            pipeline=Pipeline(
                services=DESCRIPTORS,
                door=entrance,
                clock=clock,
                ids=ids,
                metrics=metrics,
                unary_seconds=limits.unary_call.total_seconds(),
                trusted_proxies=settings.trusted_proxies,
            ),
            metrics=metrics,
            default_model=providers.default_model,
            answers_are_echoed=_echoes(providers),
        )


def _echoes(providers: ProvidersConfig) -> bool:
    return providers.provider(providers.default_model.provider).kind is ProviderKind.ECHO
