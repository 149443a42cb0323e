"""The use cases, composed over the ports of a service."""

from collections.abc import Callable
from dataclasses import dataclass

from server.application.approvals import Approvals
from server.application.archive import Archive
from server.application.archive_chat import ArchiveChat
from server.application.attaching import Attaching
from server.application.audit import Audit, AuditRecords
from server.application.branches import Branches
from server.application.catalogue import Catalogue
from server.application.chats import Chats
from server.application.compaction import Compactor
from server.application.compactions import Compactions
from server.application.deletion import Deletion
from server.application.direct_calls import DirectCalls
from server.application.erasures import Erasures, Pseudonyms
from server.application.exports import Exports
from server.application.files import Files
from server.application.forks import Forks
from server.application.guard import Guard
from server.application.keys import KeyFactory
from server.application.memories import Memories
from server.application.message_search import MessageSearches
from server.application.metering import Meter
from server.application.organization_conversations import OrganizationConversations
from server.application.organizations import Organizations
from server.application.own_keys import OwnKeys
from server.application.prompts import Prompts
from server.application.repeats import Repeats
from server.application.run_prompts import RunPrompts
from server.application.runs import Runs
from server.application.sessions import Sessions
from server.application.signed_urls import SignedUrls
from server.application.standing import Standing
from server.application.storage import Storage
from server.application.streams import Streams
from server.application.threads import Threads
from server.application.titles import Titles
from server.application.tools import Tools
from server.application.uploads import Uploads
from server.application.usage import UsageRecords
from server.application.voice import Voice
from server.application.voice_call import CallParts
from server.application.webhook_signing import WebhookSecrets
from server.application.webhooks import Webhooks
from server.bootstrap.memory import Remembering
from server.bootstrap.voice import Calling
from server.domain.limits import Limits
from server.domain.webhook import WebhookPolicy
from server.engine.engine import Engine
from server.ports.blobs import Blobs
from server.ports.feed import Feed
from server.ports.provider import Models
from server.ports.store import Store
from server.ports.system import Clock, Ids
from server.ports.tools import ToolSchemas, ToolServers
from server.rpc.services import UseCases


@dataclass(frozen=True, slots=True)
class Parts:
    """What the use cases work with: the ports, and what was opened before them."""

    store: Store
    feed: Feed
    models: Models
    blobs: Blobs
    engine: Engine
    titles: Titles
    direct_calls: DirectCalls
    clock: Clock
    ids: Ids
    limits: Limits
    guard: Guard
    meter: Meter
    tools: ToolServers
    schemas: ToolSchemas
    factory: KeyFactory
    remembering: Remembering
    urls: SignedUrls
    calling: Calling
    webhook_policy: WebhookPolicy
    webhook_secrets: WebhookSecrets
    webhooks_due: Callable[[], None]


def use_cases(parts: Parts) -> UseCases:
    """Every use case of the service."""
    repeats = Repeats(
        store=parts.store, clock=parts.clock, limits=parts.limits, audit=Audit(clock=parts.clock, ids=parts.ids)
    )
    runs = Runs(
        store=parts.store,
        clock=parts.clock,
        ids=parts.ids,
        models=parts.models,
        worker=parts.engine,
        limits=parts.limits,
        repeats=repeats,
        guard=parts.guard,
        meter=parts.meter,
        schemas=parts.schemas,
        attaching=Attaching(store=parts.store, blobs=parts.blobs, models=parts.models, limits=parts.limits.attachments),
    )
    compactor = Compactor(
        store=parts.store, clock=parts.clock, ids=parts.ids, models=parts.models, limits=parts.limits, guard=parts.guard
    )
    deletion = Deletion(worker=parts.engine, feed=parts.feed, repeats=repeats, blobs=parts.blobs)
    streams = Streams(store=parts.store, feed=parts.feed, limits=parts.limits)
    catalogue = Catalogue(store=parts.store, clock=parts.clock, models=parts.models, repeats=repeats)
    return UseCases(
        threads=Threads(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            models=parts.models,
            deletion=deletion,
            limits=parts.limits,
            repeats=repeats,
            guard=parts.guard,
            servers=parts.tools,
            schemas=parts.schemas,
        ),
        approvals=Approvals(
            store=parts.store, clock=parts.clock, worker=parts.engine, repeats=repeats, guard=parts.guard
        ),
        branches=Branches(store=parts.store, clock=parts.clock, limits=parts.limits, repeats=repeats),
        forks=Forks(
            store=parts.store, clock=parts.clock, ids=parts.ids, blobs=parts.blobs, repeats=repeats, guard=parts.guard
        ),
        compactions=Compactions(
            store=parts.store,
            clock=parts.clock,
            models=parts.models,
            compactor=compactor,
            repeats=repeats,
            meter=parts.meter,
            limits=parts.limits,
        ),
        runs=runs,
        run_prompts=RunPrompts(store=parts.store, limits=parts.limits),
        message_searches=MessageSearches(store=parts.store),
        streams=streams,
        archive=Archive(store=parts.store, clock=parts.clock, deletion=deletion),
        archive_chat=ArchiveChat(
            store=parts.store, clock=parts.clock, ids=parts.ids, models=parts.models, runs=runs, streams=streams
        ),
        files=Files(store=parts.store, blobs=parts.blobs, clock=parts.clock, urls=parts.urls),
        storage=Storage(
            store=parts.store,
            blobs=parts.blobs,
            clock=parts.clock,
            ids=parts.ids,
            limits=parts.limits,
            repeats=repeats,
        ),
        uploads=Uploads(
            store=parts.store,
            blobs=parts.blobs,
            clock=parts.clock,
            ids=parts.ids,
            limits=parts.limits,
            repeats=repeats,
            urls=parts.urls,
        ),
        urls=parts.urls,
        limits=parts.limits,
        chats=Chats(store=parts.store, clock=parts.clock, repeats=repeats, guard=parts.guard),
        prompts=Prompts(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            models=parts.models,
            runs=runs,
            streams=streams,
            titles=parts.titles,
            limits=parts.limits,
        ),
        sessions=Sessions(
            store=parts.store, clock=parts.clock, ids=parts.ids, catalogue=catalogue, runs=runs, repeats=repeats
        ),
        conversations=OrganizationConversations(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            models=parts.models,
            catalogue=catalogue,
            deletion=deletion,
            repeats=repeats,
            guard=parts.guard,
        ),
        organizations=Organizations(store=parts.store, clock=parts.clock, ids=parts.ids, repeats=repeats),
        catalogue=catalogue,
        tools=Tools(parts.tools),
        direct_calls=parts.direct_calls,
        keys=OwnKeys(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            factory=parts.factory,
            limits=parts.limits,
            repeats=repeats,
        ),
        memories=Memories(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            embedder=parts.remembering.embedder,
            search=parts.remembering.search,
            limits=parts.limits,
            repeats=repeats,
            guard=parts.guard,
            meter=parts.meter,
        ),
        exports=Exports(
            store=parts.store,
            blobs=parts.blobs,
            factory=parts.factory,
            audit=Audit(clock=parts.clock, ids=parts.ids),
        ),
        erasures=Erasures(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            pseudonyms=Pseudonyms(parts.factory),
            repeats=repeats,
            limits=parts.limits,
        ),
        webhooks=Webhooks(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            repeats=repeats,
            limits=parts.limits,
            policy=parts.webhook_policy,
            secrets=parts.webhook_secrets,
            due=parts.webhooks_due,
        ),
        audit=AuditRecords(store=parts.store, limits=parts.limits),
        voice=_voice(parts, runs, streams, repeats),
        usage=UsageRecords(store=parts.store, clock=parts.clock, limits=parts.limits, rules=parts.meter.rules),
        clock=parts.clock,
    )


def _voice(parts: Parts, runs: Runs, streams: Streams, repeats: Repeats) -> Voice:
    call_parts = CallParts(
        store=parts.store,
        feed=parts.feed,
        clock=parts.clock,
        audit=Audit(clock=parts.clock, ids=parts.ids),
        runs=runs,
        streams=streams,
        standing=Standing(store=parts.store, clock=parts.clock),
        rooms=parts.calling.rooms,
        bots=parts.calling.bots,
        limits=parts.calling.limits,
        phrases=parts.calling.phrases,
        figures=parts.calling.figures,
    )
    return Voice(call_parts, ids=parts.ids, repeats=repeats, worker=parts.engine)
