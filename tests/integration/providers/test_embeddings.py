"""Every way in which an embeddings endpoint answers or fails, over real HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from server.adapters.memory.endpoint import EndpointEmbedder
from server.adapters.memory.vectors import numbers_of
from server.adapters.provider.provider_config import ProviderConfig, Timeouts
from server.domain.memory import EmbeddingModel
from server.domain.memory_errors import EmbedderUnavailable
from tests.integration.providers.conftest import KEY, LONG
from tests.integration.providers.test_images import SHORT, replied, whole
from tests.support.upstream import FIN, RESET, Script, ScriptedUpstream, raw, refusal, silence, wire
from tests.unit.providers.clocks import InstantClock

PATIENT = Timeouts(connect=timedelta(seconds=5), first_token=LONG)


class Made:
    """Embedders of one test; closed at its end."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._made: list[EndpointEmbedder] = []

    def embedder(self, *, dimensions: int | None = None, timeouts: Timeouts = PATIENT) -> EndpointEmbedder:
        config = ProviderConfig("openai", base_url=self._upstream.base_url, api_key=KEY, timeouts=timeouts)
        made = EndpointEmbedder(config, model="small", dimensions=dimensions, clock=InstantClock(), random=lambda: 0.5)
        self._made.append(made)
        return made

    async def aclose(self) -> None:
        for each in self._made:
            await each.aclose()


@pytest.fixture
async def made(upstream: ScriptedUpstream) -> AsyncIterator[Made]:
    opened = Made(upstream)
    yield opened
    await opened.aclose()


def vectors(*embeddings: Any, order: tuple[int, ...] | None = None) -> Script:
    places = order or tuple(range(len(embeddings)))
    return replied({"data": [{"index": n, "embedding": each} for n, each in zip(places, embeddings, strict=True)]})


async def failure(embedder: EndpointEmbedder) -> str:
    with pytest.raises(EmbedderUnavailable) as caught:
        await embedder.embed(["tea"])
    assert KEY not in caught.value.message
    return caught.value.message


async def test_texts_are_placed_in_their_order(upstream: ScriptedUpstream, made: Made) -> None:
    upstream.script(vectors([0, 3.0], [4, 0], order=(1, 0)))
    one, other = (await made.embedder(dimensions=2).embed(["tea", "dog"])).vectors
    assert (one.embedder, list(numbers_of(one)), list(numbers_of(other))) == ("openai/small@2", [1, 0], [0, 1])
    (asked,) = upstream.requests
    assert asked.path.endswith("/embeddings")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {"model": "small", "input": ["tea", "dog"], "encoding_format": "float", "dimensions": 2}


async def test_many_texts_are_asked_for_in_several_requests(upstream: ScriptedUpstream, made: Made) -> None:
    upstream.script(vectors(*[[1.0, n] for n in range(64)]), vectors([1.0, 64.0]))
    found = (await made.embedder().embed([str(n) for n in range(65)])).vectors
    assert [round(float(numbers_of(each)[1] / numbers_of(each)[0])) for each in found] == list(range(65))
    assert [len(asked.body["input"]) for asked in upstream.requests] == [64, 1]
    assert "dimensions" not in upstream.requests[0].body


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 7, "total_tokens": 8}, 7),
        ({"total_tokens": 8}, 8),
        (None, None),
        ([], None),
        ({}, None),
        ({"prompt_tokens": -1}, None),
        ({"prompt_tokens": True}, None),
        ({"prompt_tokens": 1e9}, None),
        ({"prompt_tokens": 10**30}, None),
    ],
)
async def test_tokens_are_those_that_the_server_tells_of(
    upstream: ScriptedUpstream, made: Made, usage: object, told: int | None
) -> None:
    upstream.script(replied({"data": [{"index": 0, "embedding": [1.0]}], "usage": usage}))
    embedder = made.embedder()
    assert (await embedder.embed(["tea"])).input_tokens == told
    assert embedder.model == EmbeddingModel("openai", "small")


async def test_what_passes_is_tried_again(upstream: ScriptedUpstream, made: Made) -> None:
    upstream.script(refusal(503), raw(RESET), vectors([1.0]))
    (vector,) = (await made.embedder().embed(["tea"])).vectors
    assert np.array_equal(numbers_of(vector), [1.0])


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        (refusal(503), 3),
        (refusal(429), 3),
        (raw(RESET), 3),
        (raw(FIN), 3),
        (refusal(401), 1),
        (refusal(404), 1),
        (whole(b"<html>"), 1),
        (replied({"error": {"message": "no such model"}}), 1),
        (replied([]), 1),
        (replied({"data": []}), 1),
        (replied({"data": [{"index": 1, "embedding": [1]}]}), 1),
        (replied({"data": [{"index": 0, "embedding": []}]}), 1),
        (replied({"data": [{"index": 0, "embedding": "AAAA"}]}), 1),
        (replied({"data": [{"index": 0, "embedding": [True]}]}), 1),
        (replied({"data": [{"index": 0, "embedding": [1, None]}]}), 1),
        (whole(b'{"data": [{"index": 0, "embedding": [1e999]}]}'), 1),
        (replied({"data": [{"index": 0, "embedding": [1] * 9000}]}), 1),
        (whole(b" " * (8192 * 32 + 1)), 1),
        (raw(wire.head(200, {"Content-Type": "application/json", "Content-Length": "99"}), b"{", FIN), 3),
    ],
)
async def test_whatever_is_wrong_is_one_sentence(
    upstream: ScriptedUpstream, made: Made, script: Script, asked: int
) -> None:
    upstream.script(*[script] * 3)
    assert "texts cannot be compared now" in await failure(made.embedder())
    assert len(upstream.requests) == asked


async def test_too_few_numbers_are_refused(upstream: ScriptedUpstream, made: Made) -> None:
    upstream.script(vectors([1.0, 2.0]))
    assert "a vector of 2 numbers instead of 3" in await failure(made.embedder(dimensions=3))


async def test_silence_has_an_end(upstream: ScriptedUpstream, made: Made) -> None:
    upstream.script(*[silence()] * 3)
    await failure(made.embedder(timeouts=Timeouts(first_token=SHORT)))
