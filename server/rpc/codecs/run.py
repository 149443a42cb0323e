"""Runs and generation configurations of `parley.v1`."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.duration_pb2 import Duration
from parley.v1 import run_pb2

from server.application.paging import Page
from server.application.revisions import Edit, Regeneration
from server.application.runs import SendMessage
from server.domain.conversation import InterruptPolicy
from server.domain.generation import GenerationConfig
from server.domain.ids import FileId, MessageId
from server.domain.run import Run, RunError, RunOptions, RunState
from server.rpc.codecs.message import encode_usage
from server.rpc.codecs.timestamp import optional_timestamp, timestamp
from server.rpc.codecs.tool_call import decode_client_tools

STATES: Final[Mapping[RunState, run_pb2.RunStatus.ValueType]] = {
    RunState.QUEUED: run_pb2.RUN_STATUS_QUEUED,
    RunState.RUNNING: run_pb2.RUN_STATUS_RUNNING,
    RunState.AWAITING_APPROVAL: run_pb2.RUN_STATUS_AWAITING_APPROVAL,
    RunState.AWAITING_CLIENT_TOOLS: run_pb2.RUN_STATUS_AWAITING_CLIENT_TOOLS,
    RunState.COMPLETED: run_pb2.RUN_STATUS_COMPLETED,
    RunState.FAILED: run_pb2.RUN_STATUS_FAILED,
    RunState.CANCELLED: run_pb2.RUN_STATUS_CANCELLED,
    RunState.INTERRUPTED: run_pb2.RUN_STATUS_INTERRUPTED,
}
POLICIES: Final[Mapping[InterruptPolicy, run_pb2.InterruptPolicy.ValueType]] = {
    InterruptPolicy.QUEUE: run_pb2.INTERRUPT_POLICY_QUEUE,
    InterruptPolicy.INTERRUPT: run_pb2.INTERRUPT_POLICY_INTERRUPT,
}
_POLICIES_BY_NUMBER: Final = {number: policy for policy, number in POLICIES.items()}


def encode_run(run: Run) -> run_pb2.Run:
    """A run; its attempt is the epoch of its last claim, 0 while it waits for the first."""
    return run_pb2.Run(
        id=run.id,
        conversation_key=run.conversation_key,
        status=STATES[run.state],
        model=run.model,
        created_at=timestamp(run.created_at),
        started_at=optional_timestamp(run.started_at),
        ended_at=optional_timestamp(run.ended_at),
        error=_encode_error(run.error),
        usage=encode_usage(run.usage),
        user_message_id=run.user_message_id,
        attempt=run.epoch,
        actor=run.actor,
    )


def encode_runs(page: Page[Run]) -> run_pb2.ListRunsResponse:
    """A page of runs."""
    return run_pb2.ListRunsResponse(runs=[encode_run(run) for run in page.items], next_page_token=page.next_token)


def encode_accepted(run: Run) -> run_pb2.SendMessageResponse:
    """What a sender is told of the run that will answer."""
    return run_pb2.SendMessageResponse(run_id=run.id, status=STATES[run.state])


def encode_generation(config: GenerationConfig) -> run_pb2.GenerationConfig:
    """A generation configuration; what it leaves open stays unset."""
    return run_pb2.GenerationConfig(
        model=config.model,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        top_p=config.top_p,
    )


def decode_generation(config: run_pb2.GenerationConfig) -> GenerationConfig:
    """A generation configuration; unset fields are left open."""
    return GenerationConfig(
        model=config.model if config.HasField("model") else None,
        temperature=config.temperature if config.HasField("temperature") else None,
        max_tokens=config.max_tokens if config.HasField("max_tokens") else None,
        top_p=config.top_p if config.HasField("top_p") else None,
    )


def decode_send(request: run_pb2.SendMessageRequest) -> SendMessage:
    """The command of `SendMessage` and `Generate`. Raises `InvalidField`."""
    return SendMessage(
        conversation_key=request.conversation_key,
        content=request.user_message.content,
        file_ids=_file_ids(request.user_message),
        request_id=request.request_id,
        generation=decode_generation(request.generation_config),
        interrupt_policy=decode_policy(request.interrupt_policy),
        options=RunOptions(
            image=request.image, client_tools=decode_client_tools(request.client_tools, field="client_tools")
        ),
    )


def decode_edit(request: run_pb2.EditMessageRequest) -> SendMessage:
    """The command of `EditMessage`."""
    return SendMessage(
        conversation_key=request.conversation_key,
        content=request.user_message.content,
        file_ids=_file_ids(request.user_message),
        request_id=request.request_id,
        generation=decode_generation(request.generation_config),
        interrupt_policy=decode_policy(request.interrupt_policy),
        revision=Edit(MessageId(request.message_id)),
    )


def decode_regenerate(request: run_pb2.RegenerateRequest) -> SendMessage:
    """The command of `Regenerate`; no message id stands for the last answer."""
    return SendMessage(
        conversation_key=request.conversation_key,
        content="",
        request_id=request.request_id,
        generation=decode_generation(request.generation_config),
        interrupt_policy=decode_policy(request.interrupt_policy),
        revision=Regeneration(MessageId(request.message_id) if request.message_id else None),
    )


def _file_ids(message: run_pb2.UserMessage) -> tuple[FileId, ...]:
    return tuple(FileId(each.file_id) for each in message.attachments)


def decode_policy(number: run_pb2.InterruptPolicy.ValueType) -> InterruptPolicy | None:
    """The policy that a request gives; `None` for unspecified, which leaves it to what holds otherwise."""
    return _POLICIES_BY_NUMBER.get(number)


def _encode_error(error: RunError | None) -> run_pb2.RunError | None:
    if error is None:
        return None
    encoded = run_pb2.RunError(reason=error.reason, message=error.message)
    if error.retry_after is not None:
        wait = Duration()
        wait.FromTimedelta(error.retry_after)
        encoded.retry_after.CopyFrom(wait)
    return encoded
