"""Titles asked of a real HTTP server: what goes over the wire, and that silence and refusals come to an end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.provider.configuration import ProviderConfig
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.system import SystemClock
from server.application.guard import OPEN
from server.application.prompts import Prompt
from server.application.titles import INSTRUCTIONS, Titles
from server.domain.limits import Limits
from server.domain.run import Run
from server.ports.provider import Provider
from tests.support.canaries.marks import canary
from tests.support.house import ANNA, QUICK, House, ScriptedModels, open_house
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream import Reasoning, ScriptedUpstream, answer, refusal, silence

SOON = 10.0
HASTY = replace(QUICK, title_duration=timedelta(milliseconds=50))


class _HttpModels(ScriptedModels):
    """The scripted models, served by a real provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(ScriptedProvider())
        self._served_by = provider

    def provider(self, name: str) -> Provider:
        return self._served_by


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, ScriptedProvider(default=("Hello",))) as opened:
        yield opened


@asynccontextmanager
async def titles_of(house: House, upstream: ScriptedUpstream, limits: Limits = QUICK) -> AsyncIterator[Titles]:
    """Titles made by the upstream for conversations of the house."""
    config = ProviderConfig(name="acme", base_url=upstream.base_url, api_key=canary("provider-key"))
    provider = OpenAICompatibleProvider(config, clock=SystemClock())
    models = _HttpModels(provider)
    try:
        async with Titles(
            store=house.store, clock=SystemClock(), models=models, limits=limits, guard=OPEN, meter=house.meter
        ) as titles:
            yield titles
    finally:
        await provider.aclose()


async def untitled(house: House, message: str = "How do I feed a parrot?") -> Run:
    sent = await house.prompts.send(ANNA, Prompt(message, generate_title=False))
    await house.prompts.answer(ANNA.owner, sent)
    return sent.run


async def made(titles: Titles, run: Run) -> str | None:
    titling = titles.begin(run)
    assert titling is not None
    return await titling.title(SOON)


async def test_the_request_is_small_and_carries_the_beginning_of_the_message_alone(
    house: House, upstream: ScriptedUpstream
) -> None:
    upstream.script(answer("Feeding a", " Parrot"))
    async with titles_of(house, upstream) as titles:
        assert await made(titles, await untitled(house, "parrot " * 1000)) == "Feeding a Parrot"
    body = upstream.requests[0].body
    assert body["messages"] == [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": ("parrot " * 1000)[:2000]},
    ]
    assert (body["model"], body["max_tokens"]) == ("first", 32)


async def test_a_model_that_only_thinks_gets_the_first_words(house: House, upstream: ScriptedUpstream) -> None:
    upstream.script(answer(Reasoning("A parrot, hm")))
    async with titles_of(house, upstream) as titles:
        assert await made(titles, await untitled(house)) == "How do I feed a parrot?"


@pytest.mark.parametrize("script", [silence(), refusal(503), refusal(401)], ids=["silence", "503", "401"])
async def test_a_server_that_gives_none_leaves_the_chat_without_a_title(
    house: House, upstream: ScriptedUpstream, script: object
) -> None:
    upstream.script(script)  # type: ignore[arg-type]  # one of the three above
    async with titles_of(house, upstream, HASTY) as titles:
        run = await untitled(house)
        assert await made(titles, run) is None
    found = await house.chats.messages(ANNA.owner, run.conversation_id, offset=0, limit=1)
    assert found.chat.name == "New Chat"
    await upstream.disconnected()
