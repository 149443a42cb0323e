"""The whole service, composed: store, feed, providers, engine, use cases, servicers, interceptor."""

import os
import random
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.feed.local import LocalFeed
from server.adapters.figures import PrometheusFigures
from server.adapters.guardrails.configuration import GuardrailsConfig, load_guardrails
from server.adapters.provider.configuration import ConfigurationError, ProviderKind, ProvidersConfig, load_providers
from server.adapters.provider.registry import build_registry
from server.adapters.system import SystemClock, SystemIds
from server.adapters.tools.schemas import JsonSchemas
from server.adapters.tools.server_config import ToolServerConfig
from server.adapters.tools.toml_servers import read_tool_servers
from server.application.approvals import Approvals
from server.application.archive import Archive
from server.application.archive_chat import ArchiveChat
from server.application.audit import Audit, AuditRecords
from server.application.branches import Branches
from server.application.catalogue import Catalogue
from server.application.chats import Chats
from server.application.compaction import Compactor
from server.application.compactions import Compactions
from server.application.deletion import Deletion
from server.application.direct_calls import DirectCalls
from server.application.files import Files
from server.application.forks import Forks
from server.application.guard import Guard
from server.application.key_operation import Keys
from server.application.keys import KeyFactory
from server.application.organization_conversations import OrganizationConversations
from server.application.organizations import Organizations
from server.application.own_keys import OwnKeys
from server.application.prompts import Prompts
from server.application.repeats import Repeats
from server.application.run_prompts import RunPrompts
from server.application.runs import Runs
from server.application.sessions import Sessions
from server.application.streams import Streams
from server.application.threads import Threads
from server.application.titles import Titles
from server.application.tools import Tools
from server.bootstrap.files import files_directory
from server.bootstrap.identity import open_authenticator
from server.bootstrap.keys import key_factory, operated_keys
from server.bootstrap.store import database_url, opened_store
from server.bootstrap.tools import opened_tool_servers
from server.config import Settings
from server.domain.limits import Limits
from server.domain.model import Model
from server.engine.engine import Engine
from server.engine.wakes import Wakes
from server.failure import InvalidConfiguration
from server.ports.blobs import Blobs
from server.ports.feed import Feed
from server.ports.provider import Models
from server.ports.store import Store
from server.ports.system import Clock, Ids
from server.ports.tools import ToolSchemas, ToolServers
from server.rpc.interceptors.pipeline import Pipeline
from server.rpc.metrics import Metrics
from server.rpc.server import RpcServer
from server.rpc.services import DESCRIPTORS, Services, UseCases
from server.rpc.tls import IdentitySource

_log = structlog.get_logger(__name__)

_TABLES_OF_THE_FILE = frozenset({"providers", "guardrails", "mcp_servers", "default_model", "default_image_model"})
SERVICES = tuple(descriptor.full_name for descriptor in DESCRIPTORS)
"""Full names of everything that is served, health and reflection aside."""


@dataclass(frozen=True, slots=True)
class Service:
    """A composed service whose engine works; nobody can call it yet."""

    keys: Keys
    key_factory: KeyFactory
    engine: Engine
    streams: Streams
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
    tool_configs, schemas = read_mcp_servers(settings, os.environ), JsonSchemas()
    clock, ids, limits, metrics = SystemClock(), SystemIds(), settings.limits, Metrics()
    feed = LocalFeed(limits=limits)
    wakes = Wakes(feed)
    guard = Guard(guardrails.rules, message=guardrails.message, figures=PrometheusFigures(metrics.registry))
    factory = key_factory(settings, pepper)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(database_url(settings, database), feed=feed, peers=wakes))
        if settings.database is None:
            # The directory's lock makes this process the only worker on the directory's own file: what a killed one
            # held is free at once. On any other database its leases must lapse, for others may work there.
            await store.write_system(lambda tx: tx.void_leases())
        authenticator = await stack.enter_async_context(
            open_authenticator(settings, store=store, clock=clock, ids=ids, factory=factory)
        )
        models = await stack.enter_async_context(build_registry(providers, clock=clock, random=random.random))
        tools = await stack.enter_async_context(opened_tool_servers(tool_configs, schemas=schemas, clock=clock))
        blobs = DirectoryBlobs(files_directory(settings, files))
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
                servers=tools,
                schemas=schemas,
            )
        )
        titles = await stack.enter_async_context(
            Titles(store=store, clock=clock, models=models, limits=limits, guard=guard)
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
        use_cases = _use_cases(
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
            tools=tools,
            schemas=schemas,
            factory=factory,
        )
        yield Service(
            keys=operated_keys(store, clock, ids, factory),
            key_factory=factory,
            engine=engine,
            streams=use_cases.streams,
            services=Services(use_cases),
            pipeline=Pipeline(
                services=DESCRIPTORS,
                authenticator=authenticator,
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


def read_providers(settings: Settings, env: Mapping[str, str]) -> ProvidersConfig:
    """The model providers of the configuration file and the environment. Raises `InvalidConfiguration`."""
    try:
        return load_providers(toml=_read_toml(settings.config), env=env)
    except ConfigurationError as error:
        where = f"{settings.config}: " if settings.config else ""
        raise InvalidConfiguration(f"{where}{error}.") from error


def read_guardrails(settings: Settings) -> GuardrailsConfig:
    """The guardrails of the configuration file; the log says when they cost the streams their pieces. Raises
    `InvalidConfiguration`, which names the rule that cannot be one."""
    try:
        guardrails = load_guardrails(_read_toml(settings.config))
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error
    if guardrails.rules is not None and guardrails.rules.holds_whole_answers:
        _log.warning("answers_are_held_back", cause="a pattern of the guardrails has no longest match")
    return guardrails


def read_mcp_servers(settings: Settings, env: Mapping[str, str]) -> tuple[ToolServerConfig, ...]:
    """The tool servers of the configuration file. Raises `InvalidConfiguration`."""
    try:
        return read_tool_servers(_read_toml(settings.config), env)
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error


def _use_cases(
    *,
    store: Store,
    feed: Feed,
    models: Models,
    blobs: Blobs,
    engine: Engine,
    titles: Titles,
    direct_calls: DirectCalls,
    clock: Clock,
    ids: Ids,
    limits: Limits,
    guard: Guard,
    tools: ToolServers,
    schemas: ToolSchemas,
    factory: KeyFactory,
) -> UseCases:
    repeats = Repeats(store=store, clock=clock, limits=limits, audit=Audit(clock=clock, ids=ids))
    runs = Runs(
        store=store,
        clock=clock,
        ids=ids,
        models=models,
        worker=engine,
        limits=limits,
        repeats=repeats,
        guard=guard,
        schemas=schemas,
    )
    compactor = Compactor(store=store, clock=clock, ids=ids, models=models, limits=limits, guard=guard)
    deletion = Deletion(worker=engine, feed=feed, repeats=repeats, blobs=blobs)
    streams = Streams(store=store, feed=feed, limits=limits)
    catalogue = Catalogue(store=store, clock=clock, models=models, repeats=repeats)
    return UseCases(
        threads=Threads(
            store=store,
            clock=clock,
            ids=ids,
            models=models,
            deletion=deletion,
            limits=limits,
            repeats=repeats,
            guard=guard,
            servers=tools,
            schemas=schemas,
        ),
        approvals=Approvals(store=store, clock=clock, worker=engine, repeats=repeats, guard=guard),
        branches=Branches(store=store, clock=clock, limits=limits, repeats=repeats),
        forks=Forks(store=store, clock=clock, ids=ids, blobs=blobs, repeats=repeats, guard=guard),
        compactions=Compactions(store=store, clock=clock, models=models, compactor=compactor, repeats=repeats),
        runs=runs,
        run_prompts=RunPrompts(store=store, limits=limits),
        streams=streams,
        archive=Archive(store=store, clock=clock, deletion=deletion),
        archive_chat=ArchiveChat(store=store, clock=clock, ids=ids, models=models, runs=runs, streams=streams),
        files=Files(store=store, blobs=blobs),
        chats=Chats(store=store, clock=clock, repeats=repeats, guard=guard),
        prompts=Prompts(
            store=store,
            clock=clock,
            ids=ids,
            models=models,
            runs=runs,
            streams=streams,
            titles=titles,
            limits=limits,
        ),
        sessions=Sessions(store=store, clock=clock, ids=ids, catalogue=catalogue, runs=runs, repeats=repeats),
        conversations=OrganizationConversations(
            store=store,
            clock=clock,
            ids=ids,
            models=models,
            catalogue=catalogue,
            deletion=deletion,
            repeats=repeats,
            guard=guard,
        ),
        organizations=Organizations(store=store, clock=clock, ids=ids, repeats=repeats),
        catalogue=catalogue,
        tools=Tools(tools),
        direct_calls=direct_calls,
        keys=OwnKeys(store=store, clock=clock, ids=ids, factory=factory, limits=limits, repeats=repeats),
        audit=AuditRecords(store=store, limits=limits),
        clock=clock,
    )


def _echoes(providers: ProvidersConfig) -> bool:
    return providers.provider(providers.default_model.provider).kind is ProviderKind.ECHO


def _read_toml(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidConfiguration(f"The file {path} of --config cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"The file {path} of --config is no TOML: {error}.") from error
    if unknown := sorted(table.keys() - _TABLES_OF_THE_FILE):
        raise InvalidConfiguration(
            f"The file {path} of --config has {unknown[0]!r}, which nobody reads; "
            "it may hold default_model, default_image_model, [[providers]], [guardrails] and [[mcp_servers]]."
        )
    return table
