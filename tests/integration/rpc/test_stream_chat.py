"""The events of a run as `StreamChat` shows them, whatever becomes of the run."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from parley.conversations.v1 import conversations_pb2 as pb
from parley.conversations.v1 import conversations_pb2_grpc
from parley.v1 import run_pb2, run_pb2_grpc

from server.domain.events import AttemptReset, Event, MessageStarted, Payload, RunEnded, TextDelta
from server.domain.ids import MessageId, default_organization_id
from server.domain.message import Role
from server.domain.run import RunState
from server.ports.provider import ProviderError
from server.rpc.codecs.chat_stream import ChatStream
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import Served, serve
from tests.contract.store.builders import conversation, running_run
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate


@dataclass(frozen=True, slots=True)
class Chatting:
    """A session that is open, and the model behind it."""

    served: Served
    provider: ScriptedProvider
    stub: conversations_pb2_grpc.ConversationServiceStub
    runs: run_pb2_grpc.RunServiceStub
    organization: str
    conversation: str
    session: str
    metadata: tuple[tuple[str, str], ...]

    def chat(self, message: str = "Hi") -> AsyncIterator[pb.StreamChatResponse]:
        """Say something."""
        chat = pb.Chat(chat_session_id=self.session.upper(), message=message)
        request = pb.StreamChatRequest(org_id=self.organization.upper(), chat=chat)
        return aiter(self.stub.StreamChat(request, metadata=self.metadata))

    async def cancel(self) -> None:
        """End the run that was begun last."""
        listed = await self.runs.ListRuns(
            run_pb2.ListRunsRequest(conversation_key=self.conversation), metadata=self.metadata
        )
        await self.runs.CancelRun(run_pb2.CancelRunRequest(run_id=listed.runs[0].id), metadata=self.metadata)


@pytest.fixture
async def chatting(tmp_path: Path) -> AsyncIterator[Chatting]:
    provider = ScriptedProvider()
    async with serve(tmp_path, provider=provider) as served:
        _, key = await served.key()
        metadata = (("authorization", f"Bearer {key}"),)
        stub = conversations_pb2_grpc.ConversationServiceStub(served.channel)
        models = conversations_pb2_grpc.ModelServiceStub(served.channel)
        organization = default_organization_id("acme")
        made = await stub.CreateConversation(
            pb.CreateConversationRequest(org_id=organization, conversation=pb.NewConversation(title="A talk")),
            metadata=metadata,
        )
        listed = await models.ListModels(pb.ListModelsRequest(org_id=organization), metadata=metadata)
        new = pb.NewSession(conversation_id=made.conversation.id, model_id=listed.models[1].id)
        opened = await stub.CreateSession(pb.CreateSessionRequest(org_id=organization, session=new), metadata=metadata)
        yield Chatting(
            served=served,
            provider=provider,
            stub=stub,
            runs=run_pb2_grpc.RunServiceStub(served.channel),
            organization=organization,
            conversation=made.conversation.id,
            session=opened.session.id,
            metadata=metadata,
        )


def kinds(responses: list[pb.StreamChatResponse]) -> list[str | None]:
    """Which event each is."""
    return [response.WhichOneof("event") for response in responses]


async def test_an_answer_starts_comes_and_ends(chatting: Chatting) -> None:
    chatting.provider.script("Hello", " there")
    seen = [response async for response in chatting.chat()]
    assert kinds(seen)[0] == "start"
    assert kinds(seen)[-1] == "end"
    assert "".join(response.content.content for response in seen) == "Hello there"
    assert seen[0].start.message_id == seen[-1].end.message_id
    assert [response.sequence for response in seen] == sorted({response.sequence for response in seen})
    assert chatting.provider.requests[0].generation.model == "second"


async def test_a_failure_before_the_first_token_is_an_error_with_the_runs_reason(chatting: Chatting) -> None:
    chatting.provider.script(ProviderError("PROVIDER_RATE_LIMITED", "slow down", retry_after=timedelta(seconds=7)))
    seen: list[pb.StreamChatResponse] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _collect(chatting.chat(), seen)
    found = refusal(caught.value)
    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED")
    assert (found.message, found.retry_seconds) == ("slow down", 7)
    assert "content" not in kinds(seen)


async def test_a_failure_after_tokens_follows_them(chatting: Chatting) -> None:
    chatting.provider.script("Hel", ProviderError("PROVIDER_STREAM_CUT", "it broke"))
    seen: list[pb.StreamChatResponse] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _collect(chatting.chat(), seen)
    assert kinds(seen) == ["start", "content"]
    assert (refusal(caught.value).code, refusal(caught.value).reason) == ("UNAVAILABLE", "PROVIDER_STREAM_CUT")


async def test_a_cancelled_run_ends_the_stream(chatting: Chatting) -> None:
    chatting.provider.script("Hel", Gate(), "lo")
    answer = chatting.chat()
    start, piece = await anext(answer), await anext(answer)
    await chatting.cancel()
    rest = [response async for response in answer]
    assert (start.WhichOneof("event"), piece.content.content, kinds(rest)) == ("start", "Hel", ["end"])
    assert rest[0].end.message_id == start.start.message_id


async def _collect(answer: AsyncIterator[pb.StreamChatResponse], seen: list[pb.StreamChatResponse]) -> None:
    async for response in answer:
        seen.append(response)  # noqa: PERF401 - what came before the error is looked at


def translated(*payloads: Payload) -> list[pb.StreamChatResponse]:
    """What a chat shows of events."""
    run = running_run(conversation())
    chat = ChatStream(run, after=0)
    return [
        shown
        for sequence, payload in enumerate(payloads, 1)
        for shown in chat.encode(Event(run.conversation_id, "c", sequence, datetime.now(UTC), payload, run.id, 1))
    ]


def test_a_second_attempt_starts_again_and_its_message_counts() -> None:
    old, new = MessageId("old"), MessageId("new")
    shown = translated(
        MessageStarted(old, Role.ASSISTANT, "m"),
        TextDelta(old, "Hel"),
        AttemptReset(2),
        MessageStarted(new, Role.ASSISTANT, "m"),
        TextDelta(new, "Hello"),
        RunEnded(RunState.COMPLETED),
    )
    assert kinds(shown) == ["start", "content", "start", "content", "end"]
    assert shown[-1].end.message_id == "new"


@pytest.mark.parametrize("state", [RunState.INTERRUPTED, RunState.CANCELLED])
def test_a_run_that_ended_before_it_spoke_ends_without_a_message(state: RunState) -> None:
    (end,) = translated(RunEnded(state))
    assert (end.WhichOneof("event"), end.end.message_id) == ("end", "")


def test_the_end_of_a_failed_run_is_left_to_the_caller() -> None:
    assert translated(RunEnded(RunState.FAILED, "PROVIDER_TIMEOUT", "slow")) == []
