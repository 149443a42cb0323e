"""The service without its transport: a real store, feed and engine under the use cases, with a scripted model."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.feed.local import LocalFeed
from server.adapters.memory.configuration import EmbedderConfig
from server.adapters.store import open_store
from server.adapters.system import SystemClock, SystemIds
from server.adapters.tools.schemas import JsonSchemas
from server.adapters.tools.server_config import ToolServerConfig
from server.application.approvals import Approvals
from server.application.archive import Archive
from server.application.archive_chat import ArchiveChat
from server.application.attaching import Attaching
from server.application.audit import Audit
from server.application.branches import Branches
from server.application.catalogue import Catalogue
from server.application.chats import Chats
from server.application.compaction import Compactor
from server.application.compactions import Compactions
from server.application.deletion import Deletion
from server.application.direct_calls import DirectCalls
from server.application.files import Files
from server.application.forks import Forks
from server.application.guard import OPEN, Guard
from server.application.memories import Memories
from server.application.metering import Meter
from server.application.organization_conversations import OrganizationConversations
from server.application.organizations import Organizations
from server.application.prompts import Prompts
from server.application.repeats import Repeats
from server.application.run_prompts import RunPrompts
from server.application.runs import Runs, SendMessage
from server.application.sessions import Sessions
from server.application.signed_urls import SignedUrls
from server.application.spending_rules import SpendingRules
from server.application.standing import Standing
from server.application.storage import Storage
from server.application.streams import Streams
from server.application.threads import Threads
from server.application.titles import Titles
from server.application.tools import Tools
from server.application.uploads import Uploads
from server.application.voice import Voice
from server.application.voice_call import CallParts
from server.bootstrap.memory import opened_memory
from server.bootstrap.tools import opened_tool_servers
from server.bootstrap.voice import Calling
from server.domain.attachment import EVERYTHING, TEXT_ALONE, AcceptedTypes
from server.domain.errors import UnknownModel
from server.domain.events import Event, RunEnded
from server.domain.ids import KeyId, ModelId
from server.domain.limits import Limits
from server.domain.model import Model
from server.domain.principal import Owner, Principal
from server.domain.run import PLAIN, Run, RunOptions
from server.domain.spending import Payer
from server.engine.engine import Engine
from server.engine.wakes import Wakes
from server.ports.provider import Provider
from server.ports.store import Store
from server.ports.system import Clock
from server.ports.tools import ToolSchemas, ToolServers
from tests.support.migrated import migrated
from tests.support.scripted_provider import ScriptedProvider


def _holder(name: str) -> Principal:
    key = KeyId(f"key-{name}")
    return Principal(Owner("acme", name), frozenset({"*"}), key, payer=Payer(key, key))


ANNA = _holder("anna")
BERT = _holder("bert")
QUICK = replace(
    Limits(),
    runs_per_caller=0,
    cache_lifetime=timedelta(0),
    lease=timedelta(milliseconds=600),
    lease_heartbeat=timedelta(milliseconds=100),
)

NO_RULES = SpendingRules()
"""No price is known, and nothing is bounded."""


class ScriptedModels:
    """Offers two models of one scripted provider, and one that draws; any other name is unknown."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self._provider = provider
        self.contexts: dict[str, int] = {}
        """How many tokens the context of a model has, by its name; of one that is not here nobody knows."""
        self.accepted: dict[str, AcceptedTypes] = {"first": EVERYTHING}
        """What files a model takes, by its name; one that is not here takes text alone."""

    def resolve(self, name: str | None) -> Model:
        """The model of that name, the first for none."""
        for model in self.all():
            if name in (None, model.name):
                return model
        raise UnknownModel(str(name))

    def image_model(self) -> Model | None:
        """The one that draws."""
        return Model(self._provider.name, "painter")

    def resolve_image(self, name: str | None) -> Model:
        """The one that draws, by its name or for none."""
        if name not in (None, "painter"):
            raise UnknownModel(str(name))
        return Model(self._provider.name, "painter")

    def offered(self, provider: str, name: str) -> Model:
        """The model of that name, if the provider is the one."""
        if provider != self._provider.name:
            raise UnknownModel(f"{provider}/{name}")
        return self.resolve(name)

    def by_id(self, model_id: ModelId) -> Model:
        """The model of that id."""
        for model in self.all():
            if model.id == model_id:
                return model
        raise UnknownModel(model_id)

    def all(self) -> Sequence[Model]:
        """Both."""
        return [self._model("first"), self._model("second")]

    def provider(self, name: str) -> Provider:
        """The one provider."""
        if name != self._provider.name:
            raise UnknownModel(name)
        return self._provider

    def is_offline(self, provider: str) -> bool:
        """Never: a script stands for a model."""
        return False

    def _model(self, name: str) -> Model:
        config = {"context_tokens": self.contexts[name]} if name in self.contexts else {}
        return Model(self._provider.name, name, config, self.accepted.get(name, TEXT_ALONE))


@dataclass(frozen=True, slots=True)
class House:
    """Everything that callers and tests reach."""

    store: Store
    feed: LocalFeed
    provider: ScriptedProvider
    engine: Engine
    threads: Threads
    approvals: Approvals
    servers: ToolServers
    schemas: ToolSchemas
    branches: Branches
    forks: Forks
    compactions: Compactions
    runs: Runs
    run_prompts: RunPrompts
    streams: Streams
    sessions: Sessions
    conversations: OrganizationConversations
    organizations: Organizations
    archive: Archive
    archive_chat: ArchiveChat
    files: Files
    storage: Storage
    uploads: Uploads
    urls: SignedUrls
    limits: Limits
    blobs: DirectoryBlobs
    chats: Chats
    prompts: Prompts
    memories: Memories
    models: ScriptedModels
    catalogue: Catalogue
    tools: Tools
    direct_calls: DirectCalls
    meter: Meter
    voice: Voice

    async def send(
        self,
        content: str,
        *,
        to: str = "talk",
        by: Principal = ANNA,
        request_id: str = "",
        options: RunOptions = PLAIN,
    ) -> Run:
        """Send a message to a thread."""
        return await self.runs.send(by, SendMessage(to, content, request_id, options=options))

    async def events(self, run: Run, *, after: int = 0) -> list[Event]:
        """Every event of a run behind a sequence, once it is over."""
        return [event async for event in self.streams.run(run.owner, run.id, after=after) if isinstance(event, Event)]

    async def ended(self, run: Run) -> RunEnded:
        """How a run ended, once it has."""
        last = (await self.events(run))[-1].payload
        assert isinstance(last, RunEnded)
        return last

    async def said(self, key: str = "talk", by: Principal = ANNA) -> list[tuple[str, str, str]]:
        """The history as (role, content, status)."""
        state = await self.threads.state(by.owner, key)
        return [(message.role.value, message.content, message.status.value) for message in state.messages]


@asynccontextmanager
async def open_house(
    folder: Path,
    provider: ScriptedProvider,
    *,
    limits: Limits = QUICK,
    url: str | None = None,
    clock: Clock | None = None,
    wrap: Callable[[Store], Store] = lambda store: store,
    guard: Guard = OPEN,
    tools: Sequence[ToolServerConfig] = (),
    rules: SpendingRules = NO_RULES,
    embedder: EmbedderConfig | None = None,
    calling: Calling | None = None,
    stored: Callable[[], None] = lambda: None,
) -> AsyncIterator[House]:
    """Compose a house over the database in `folder` (or at `url`) and take it down again. `wrap` may put something
    between the store and everybody else. `tools` are its tool servers, `embedder` what compares
    its memories, `calling` what voice sessions are made with. `stored` is called
    whenever events were committed."""
    time: Clock = clock or SystemClock()
    ids, feed = SystemIds(), LocalFeed(limits=limits, stored=stored)
    wakes = Wakes(feed)
    models = ScriptedModels(provider)
    async with AsyncExitStack() as stack:
        opened = open_store(url or f"sqlite+aiosqlite:///{migrated(folder / 'house.db')}", feed=feed, peers=wakes)
        store = wrap(await stack.enter_async_context(opened))
        for principal in (ANNA, BERT):
            owner = principal.owner
            await store.write_system(lambda tx, owner=owner: tx.provision(owner, time.now()))  # type: ignore[misc]
        meter = Meter(store=store, clock=time, ids=ids, rules=rules)
        blobs, urls = DirectoryBlobs(folder / "files"), SignedUrls(bytes(32))
        schemas = JsonSchemas()
        servers = await stack.enter_async_context(opened_tool_servers(tools, schemas=schemas, clock=time))
        remembering = await stack.enter_async_context(
            opened_memory(
                embedder, store=store, clock=time, ids=ids, models=models, limits=limits, guard=guard, meter=meter
            )
        )
        engine = await stack.enter_async_context(
            Engine(
                store=store,
                models=models,
                blobs=blobs,
                clock=time,
                ids=ids,
                limits=limits,
                wakes=wakes,
                guard=guard,
                meter=meter,
                servers=servers,
                schemas=schemas,
                recall=remembering.recall,
                memories=remembering.search,
                extractions=remembering.extractions,
            )
        )
        titles = await stack.enter_async_context(
            Titles(store=store, clock=time, models=models, limits=limits, guard=guard, meter=meter)
        )
        streams = Streams(store=store, feed=feed, limits=limits)
        repeats = Repeats(store=store, clock=time, limits=limits, audit=Audit(clock=time, ids=ids))
        direct_calls = DirectCalls(
            store=store, clock=time, ids=ids, repeats=repeats, tools=Tools(servers), servers=servers, schemas=schemas
        )
        await stack.enter_async_context(direct_calls)
        runs = Runs(
            store=store,
            clock=time,
            ids=ids,
            models=models,
            worker=engine,
            limits=limits,
            repeats=repeats,
            guard=guard,
            meter=meter,
            schemas=schemas,
            attaching=Attaching(store=store, blobs=blobs, models=models, limits=limits.attachments),
        )
        compactor = Compactor(store=store, clock=time, ids=ids, models=models, limits=limits, guard=guard)
        deletion = Deletion(worker=engine, feed=feed, repeats=repeats, blobs=blobs)
        catalogue = Catalogue(store=store, clock=time, models=models, repeats=repeats)
        threads = Threads(
            store=store,
            clock=time,
            ids=ids,
            models=models,
            deletion=deletion,
            limits=limits,
            repeats=repeats,
            guard=guard,
            servers=servers,
            schemas=schemas,
        )
        called = calling or Calling()
        call_parts = CallParts(
            store=store,
            feed=feed,
            clock=time,
            audit=Audit(clock=time, ids=ids),
            runs=runs,
            streams=streams,
            standing=Standing(store=store, clock=time),
            rooms=called.rooms,
            bots=called.bots,
            limits=called.limits,
            phrases=called.phrases,
            figures=called.figures,
        )
        voice = await stack.enter_async_context(Voice(call_parts, ids=ids, repeats=repeats, worker=engine))
        yield House(
            store=store,
            feed=feed,
            provider=provider,
            engine=engine,
            threads=threads,
            approvals=Approvals(store=store, clock=time, worker=engine, repeats=repeats, guard=guard),
            servers=servers,
            schemas=schemas,
            branches=Branches(store=store, clock=time, limits=limits, repeats=repeats),
            forks=Forks(store=store, clock=time, ids=ids, blobs=blobs, repeats=repeats, guard=guard),
            compactions=Compactions(
                store=store,
                clock=time,
                models=models,
                compactor=compactor,
                repeats=repeats,
                meter=meter,
                limits=limits,
            ),
            runs=runs,
            run_prompts=RunPrompts(store=store, limits=limits),
            streams=streams,
            archive=Archive(store=store, clock=time, deletion=deletion),
            archive_chat=ArchiveChat(store=store, clock=time, ids=ids, models=models, runs=runs, streams=streams),
            files=Files(store=store, blobs=blobs, clock=time, urls=urls),
            storage=Storage(store=store, blobs=blobs, clock=time, ids=ids, limits=limits, repeats=repeats),
            uploads=Uploads(store=store, blobs=blobs, clock=time, ids=ids, limits=limits, repeats=repeats, urls=urls),
            urls=urls,
            limits=limits,
            blobs=blobs,
            chats=Chats(store=store, clock=time, repeats=repeats, guard=guard),
            prompts=Prompts(
                store=store,
                clock=time,
                ids=ids,
                models=models,
                runs=runs,
                streams=streams,
                titles=titles,
                limits=limits,
            ),
            memories=Memories(
                store=store,
                clock=time,
                ids=ids,
                embedder=remembering.embedder,
                search=remembering.search,
                limits=limits,
                repeats=repeats,
                guard=guard,
                meter=meter,
            ),
            models=models,
            sessions=Sessions(store=store, clock=time, ids=ids, catalogue=catalogue, runs=runs, repeats=repeats),
            conversations=OrganizationConversations(
                store=store,
                clock=time,
                ids=ids,
                models=models,
                catalogue=catalogue,
                deletion=deletion,
                repeats=repeats,
                guard=guard,
            ),
            organizations=Organizations(store=store, clock=time, ids=ids, repeats=repeats),
            catalogue=catalogue,
            tools=Tools(servers),
            direct_calls=direct_calls,
            meter=meter,
            voice=voice,
        )
