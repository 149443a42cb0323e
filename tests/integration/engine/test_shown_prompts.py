"""What a run shows of its model requests is what the model's server really got, whatever has become of the thread."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.adapters.provider.configuration import ProviderConfig
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.system import SystemClock
from server.application.revisions import Edit, Regeneration, Revision
from server.application.run_prompts import ShownRequest
from server.application.runs import SendMessage
from server.application.summaries import INSTRUCTIONS
from server.application.threads import SettingsChange
from server.application.tool_answers import ClientResult
from server.domain.conversation import ContextStrategy
from server.domain.errors import ReplyTooLarge, RunNotFound
from server.domain.ids import MessageId, RunId
from server.domain.message import Message
from server.domain.run import Run, RunState
from server.domain.shortening import REST_LEFT_OUT
from tests.support.house import ANNA, BERT, House, open_house
from tests.support.invariants import check_invariants
from tests.support.tool_talk import history, open_talk, paused, spec, waiting
from tests.support.upstream import RecordedRequest, Script, ScriptedUpstream, answer, refusal
from tests.support.upstream.scripts import Delta
from tests.support.upstream_provider import UpstreamProvider


def asking(*names: str) -> Script:
    """An answer that asks for tools, under ids of the server's own."""
    asked = [
        {"index": place, "id": f"own-{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for place, name in enumerate(names)
    ]
    return answer("Let me look.", Delta({"tool_calls": asked}), finish_reason="tool_calls")


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(default=answer("I see.")) as server:
        yield server


@asynccontextmanager
async def housed(folder: Path, upstream: ScriptedUpstream) -> AsyncIterator[House]:
    """A house over the folder's database, whose model is the upstream's."""
    config = ProviderConfig(name="scripted", base_url=upstream.base_url)
    async with AsyncExitStack() as stack:
        server = OpenAICompatibleProvider(config, clock=SystemClock())
        stack.push_async_callback(server.aclose)
        house = await stack.enter_async_context(open_house(folder, UpstreamProvider(server)))
        await open_talk(house, "talk", client_tools=(spec("look"), spec("listen")))
        yield house
    check_invariants(folder / "house.db", settled=False)


async def shown(house: House, run: RunId) -> list[ShownRequest]:
    """All requests of a run, a page at a time."""
    found: list[ShownRequest] = []
    token: str | None = ""
    while token is not None:
        page = await house.run_prompts.page(ANNA.owner, run, page_size=1, page_token=token)
        found += page.items
        token = page.next_token
    return found


def as_sent(request: ShownRequest) -> list[dict[str, Any]]:
    """The messages in the form of the wire."""
    return [_as_sent(part.message) for part in request.parts]


def _as_sent(message: Any) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.tool_calls:
        sent["content"] = message.content or None
        sent["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        sent["tool_call_id"] = message.tool_call_id
    return sent


def received(upstream: ScriptedUpstream) -> list[list[dict[str, Any]]]:
    """The messages of every request for an answer, as they came."""
    bodies = [request.body["messages"] for request in upstream.requests]
    return [messages for messages in bodies if messages[0]["content"] != INSTRUCTIONS]


async def revised(house: House, content: str, revision: Revision) -> Run:
    run = await house.runs.send(ANNA, SendMessage("talk", content, revision=revision))
    assert (await house.ended(run)).state is RunState.COMPLETED
    return run


async def said(house: House, content: str) -> Run:
    run = await house.send(content)
    assert (await house.ended(run)).state is RunState.COMPLETED
    return run


async def used_tools(house: House, upstream: ScriptedUpstream) -> Run:
    """A run that asks the client for two tools, then for another, then answers."""
    upstream.script(asking("look", "listen"), asking("look"))
    run, seen = await house.send("what is there?"), 0
    for results in (["a dog", "barking"], ["a cat"]):
        seen = (await paused(house, run, after=seen))[-1].sequence
        asked = (await house.threads.state(ANNA.owner, "talk")).pending_client_calls
        answers = [ClientResult(call.id, told) for call, told in zip(asked, results, strict=True)]
        await house.approvals.submit(ANNA, "talk", answers)
    assert (await house.ended(run)).state is RunState.COMPLETED
    return run


async def test_what_is_shown_is_what_the_server_got_after_everything_that_can_happen_to_a_thread(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    runs: list[Run] = []
    async with housed(tmp_path, upstream) as house:
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(system_prompt="Be kind."))
        runs += [await said(house, "one"), await used_tools(house, upstream), await said(house, "three")]
        await house.compactions.compact(ANNA, "talk")
        runs.append(await said(house, "four"))
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(system_prompt="Be brief."))
        asked = next(message.id for message in await history(house) if message.content == "what is there?")
        runs.append(await revised(house, "and what is not?", Edit(asked)))
        runs.append(await revised(house, "", Regeneration()))
        await house.threads.configure_context(ANNA, "talk", strategy=ContextStrategy.SUMMARIZE, max_history_messages=2)
        runs += [await said(house, "five"), await said(house, "six")]
        await house.branches.switch(ANNA, "talk", 1)
        runs.append(await said(house, "seven"))
    sent = received(upstream)
    async with housed(tmp_path, upstream) as house:
        requests = [request for run in runs for request in await shown(house, run.id)]
        assert [as_sent(request) for request in requests] == sent
        assert len(requests) == len(runs) + 2
        for request in requests:
            assert request.record.usage is not None
            assert [tool.name for tool in request.record.tools] == ["look", "listen"]
            assert request.record.tools == requests[0].record.tools
            await sources_are_the_messages(house, request)


async def sources_are_the_messages(house: House, request: ShownRequest) -> None:
    """Each message that is shown says the same as its source, and names it."""
    for part in request.parts:
        if part.source_id is not None:
            source = await stored(house, part.source_id)
            assert (source.role, source.content) == (part.message.role, part.message.content)


async def stored(house: House, message_id: MessageId) -> Message:
    found = await house.store.read(ANNA.owner, lambda tx: tx.messages.get(message_id))
    assert found is not None
    return found


async def test_the_rounds_of_a_run_are_shown_in_order_with_their_answers(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with housed(tmp_path, upstream) as house:
        run = await used_tools(house, upstream)
        requests = await shown(house, run.id)
        answers = [message for message in await history(house) if message.role.value == "assistant"]
        assert [request.record.round for request in requests] == [1, 2, 3]
        assert [request.record.message_id for request in requests] == [message.id for message in answers]
        # The server's own ids went back to it.
        assert [call.id for call in requests[1].parts[1].message.tool_calls] == ["own-look", "own-listen"]


async def test_a_result_longer_than_the_models_context_is_sent_in_part_and_shown_as_it_was_sent(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with housed(tmp_path, upstream) as house:
        house.models.contexts["first"] = 2000
        upstream.script(asking("look"))
        run = await house.send("what is there?")
        await paused(house, run)
        (asked,) = (await house.threads.state(ANNA.owner, "talk")).pending_client_calls
        await house.approvals.submit(ANNA, "talk", [ClientResult(asked.id, "a dog, " * 100_000)])
        assert (await house.ended(run)).state is RunState.COMPLETED
        first, second = await shown(house, run.id)
        assert [as_sent(first), as_sent(second)] == received(upstream)
        assert [part.is_shortened for part in second.parts] == [False, False, True]
        result = second.parts[-1]
        assert result.message.content.startswith("a dog, a dog")
        assert result.message.content.endswith(REST_LEFT_OUT)
        assert second.record.room is not None
        assert second.record.room * 0.9 < second.record.estimated_tokens <= 2000
        assert result.source_id is not None
        assert (await stored(house, result.source_id)).content == "a dog, " * 100_000


async def test_a_result_is_sent_in_part_to_a_model_whose_context_nobody_knows(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    def chosen(request: RecordedRequest) -> Script:
        messages = request.body["messages"]
        if sum(len(message["content"] or "") for message in messages) > 20_000:
            return refusal(400, message="This model's maximum context length is 8192 tokens")
        return answer("A dog.") if messages[-1]["role"] == "tool" else asking("look")

    upstream.chooses = chosen
    async with housed(tmp_path, upstream) as house:
        run = await house.send("what is there?")
        await paused(house, run)
        (asked,) = (await house.threads.state(ANNA.owner, "talk")).pending_client_calls
        await house.approvals.submit(ANNA, "talk", [ClientResult(asked.id, "a dog, " * 60_000)])
        assert (await house.ended(run)).state is RunState.COMPLETED
        requests = await shown(house, run.id)
        assert [as_sent(request) for request in requests] == received(upstream)
        assert len(requests) > 3


async def test_a_request_whose_answer_failed_is_shown(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with housed(tmp_path, upstream) as house:
        upstream.script(refusal(400, message="no"))
        run = await house.send("one")
        assert (await house.ended(run)).state is RunState.FAILED
        (request,) = await shown(house, run.id)
        assert [as_sent(request)] == received(upstream)
        assert request.record.usage is None


async def test_nobody_else_sees_it(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with housed(tmp_path, upstream) as house:
        run = await said(house, "one")
        with pytest.raises(RunNotFound):
            await house.run_prompts.page(BERT.owner, run.id, page_size=0, page_token="")
        await house.threads.delete(ANNA, "talk")
        with pytest.raises(RunNotFound):
            await house.run_prompts.page(ANNA.owner, run.id, page_size=0, page_token="")


async def test_a_page_ends_before_a_reply_would_get_too_large(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with housed(tmp_path, upstream) as house:
        upstream.script(asking("look"))
        run = await house.send("x" * (2 * 1024 * 1024))
        (call,) = await waiting(house, run)
        await house.approvals.submit(ANNA, "talk", [ClientResult(call, "a dog")])
        await house.ended(run)
        first = await house.run_prompts.page(ANNA.owner, run.id, page_size=0, page_token="")
        assert (len(first.items), bool(first.next_token)) == (1, True)
        second = await house.run_prompts.page(ANNA.owner, run.id, page_size=0, page_token=first.next_token or "")
        assert (len(second.items), second.next_token) == (1, None)
        for _ in range(2):
            larger = await said(house, "x" * (1024 * 1024))
        with pytest.raises(ReplyTooLarge):
            await house.run_prompts.page(ANNA.owner, larger.id, page_size=0, page_token="")
