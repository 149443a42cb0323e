"""Opens what remembers: the embedder of the configuration, the search over memories, and who takes new ones."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from server.adapters.memory.configuration import EmbedderConfig
from server.adapters.memory.endpoint import EndpointEmbedder
from server.adapters.memory.hashing import HashingEmbedder
from server.adapters.memory.index import OwnerIndexes
from server.application.extraction import Extractions
from server.application.guard import Guard
from server.application.memory_search import MemorySearch
from server.application.metering import Meter
from server.application.recall import Recall
from server.domain.limits import Limits
from server.ports.memories import Embedder
from server.ports.provider import Models
from server.ports.store import Store
from server.ports.system import Clock, Ids


@dataclass(frozen=True, slots=True)
class Remembering:
    """What works with memories."""

    embedder: Embedder
    search: MemorySearch
    recall: Recall
    extractions: Extractions


@asynccontextmanager
async def opened_memory(
    config: EmbedderConfig | None,
    *,
    store: Store,
    clock: Clock,
    ids: Ids,
    models: Models,
    limits: Limits,
    guard: Guard,
    meter: Meter,
) -> AsyncGenerator[Remembering, None]:
    """Without `config` texts are compared by their words. On leaving, what is being taken is left for later."""
    async with _embedder(config, clock) as embedder:
        search = MemorySearch(store=store, embedder=embedder, indexes=OwnerIndexes(clock=clock))
        extractions = Extractions(
            store=store,
            clock=clock,
            ids=ids,
            models=models,
            embedder=embedder,
            search=search,
            limits=limits,
            guard=guard,
            meter=meter,
        )
        async with extractions:
            yield Remembering(embedder, search, Recall(search), extractions)


@asynccontextmanager
async def _embedder(config: EmbedderConfig | None, clock: Clock) -> AsyncGenerator[Embedder, None]:
    if config is None:
        yield HashingEmbedder()
        return
    embedder = EndpointEmbedder(
        config.provider, model=config.model, dimensions=config.dimensions, clock=clock, random=random.random
    )
    async with aclosing(embedder):
        yield embedder
