"""Threads, their settings and their state, of `parley.v1`."""

from collections.abc import Mapping
from typing import Final

from parley.v1 import thread_pb2

from server.application.paging import Page
from server.application.threads import ConversationState, SettingsChange
from server.domain.conversation import (
    ContextManagement,
    ContextStrategy,
    ConversationSummary,
    Settings,
)
from server.domain.message import Message
from server.domain.run import RunState
from server.rpc.codecs.compaction import write_compaction
from server.rpc.codecs.memory import decode_memory_change, encode_memory_settings
from server.rpc.codecs.message import write_message
from server.rpc.codecs.run import POLICIES, decode_policy, encode_generation, encode_run
from server.rpc.codecs.timestamp import stamp, timestamp
from server.rpc.codecs.tool import encode_client_call, encode_pending
from server.rpc.codecs.tool_call import decode_client_tools, encode_client_tool

STATUSES: Final[Mapping[RunState | None, thread_pb2.ThreadStatus.ValueType]] = {
    None: thread_pb2.THREAD_STATUS_IDLE,
    RunState.RUNNING: thread_pb2.THREAD_STATUS_RUNNING,
    RunState.AWAITING_APPROVAL: thread_pb2.THREAD_STATUS_AWAITING_APPROVAL,
    RunState.AWAITING_CLIENT_TOOLS: thread_pb2.THREAD_STATUS_AWAITING_CLIENT_TOOLS,
}
"""What a thread is doing, by the state of its active run."""
STRATEGIES: Final[Mapping[ContextStrategy, thread_pb2.ContextStrategy.ValueType]] = {
    ContextStrategy.SLIDING_WINDOW: thread_pb2.CONTEXT_STRATEGY_SLIDING_WINDOW,
    ContextStrategy.SUMMARIZE: thread_pb2.CONTEXT_STRATEGY_SUMMARIZE,
}
_STRATEGIES_BY_NUMBER: Final = {number: strategy for strategy, number in STRATEGIES.items()}


def encode_thread(summary: ConversationSummary) -> thread_pb2.Thread:
    """A thread without its messages."""
    encoded = thread_pb2.Thread()
    _write_thread(encoded, summary)
    return encoded


def encode_threads(page: Page[ConversationSummary]) -> thread_pb2.ListThreadsResponse:
    """A page of threads."""
    encoded = thread_pb2.ListThreadsResponse(next_page_token=page.next_token)
    for summary in page.items:
        _write_thread(encoded.threads.add(), summary)
    return encoded


def encode_messages(page: Page[Message]) -> thread_pb2.ListMessagesResponse:
    """A page of a history."""
    encoded = thread_pb2.ListMessagesResponse(next_page_token=page.next_token)
    for message in page.items:
        write_message(encoded.messages.add(), message)
    return encoded


def encode_state(state: ConversationState) -> thread_pb2.ConversationState:
    """Everything about a thread at one moment."""
    conversation = state.conversation
    encoded = thread_pb2.ConversationState(
        id=conversation.id,
        conversation_key=conversation.key,
        name=conversation.name,
        status=STATUSES[state.active_run.state if state.active_run else None],
        generation_config=encode_generation(conversation.generation),
        settings=encode_settings(conversation.settings),
        context_management_settings=encode_context(conversation.context_management),
        active_run=encode_run(state.active_run) if state.active_run else None,
        created_at=timestamp(conversation.created_at),
        updated_at=timestamp(conversation.updated_at),
        last_sequence=conversation.last_sequence,
        archived=conversation.archived,
        branch=conversation.branch,
    )
    for message in state.messages:
        write_message(encoded.messages.add(), message)
    for message in state.queued_messages:
        write_message(encoded.queued_messages.add(), message)
    encoded.pending_tool_approvals.extend(map(encode_pending, state.pending_approvals))
    encoded.pending_client_tool_calls.extend(map(encode_client_call, state.pending_client_calls))
    for compaction in state.compactions:
        write_compaction(encoded.compaction_history.add(), compaction)
    return encoded


def encode_settings(settings: Settings) -> thread_pb2.Settings:
    """A thread's settings."""
    return thread_pb2.Settings(
        system_prompt=settings.system_prompt,
        interrupt_policy=POLICIES[settings.interrupt_policy],
        mcp_servers=thread_pb2.McpServerNames(names=settings.mcp_servers),
        client_tools=thread_pb2.ClientTools(tools=map(encode_client_tool, settings.client_tools)),
        memory=encode_memory_settings(settings.memory),
    )


def decode_settings(settings: thread_pb2.Settings) -> SettingsChange:
    """What to change; what is absent stays. Raises `InvalidField`."""
    tools = settings.client_tools.tools
    return SettingsChange(
        system_prompt=settings.system_prompt if settings.HasField("system_prompt") else None,
        interrupt_policy=decode_policy(settings.interrupt_policy),
        mcp_servers=tuple(settings.mcp_servers.names) if settings.HasField("mcp_servers") else None,
        client_tools=(
            decode_client_tools(tools, field="settings.client_tools.tools")
            if settings.HasField("client_tools")
            else None
        ),
        memory=decode_memory_change(settings.memory),
    )


def encode_context(context: ContextManagement) -> thread_pb2.ContextManagementSettings:
    """How a thread's history is fitted into a model request."""
    return thread_pb2.ContextManagementSettings(
        strategy=STRATEGIES[context.strategy], max_history_messages=context.max_history_messages
    )


def decode_strategy(number: thread_pb2.ContextStrategy.ValueType) -> ContextStrategy | None:
    """The strategy to set; `None` for unspecified, which keeps the current one."""
    return _STRATEGIES_BY_NUMBER.get(number)


def _write_thread(into: thread_pb2.Thread, summary: ConversationSummary) -> None:
    conversation = summary.conversation
    into.id = conversation.id
    into.conversation_key = conversation.key
    into.name = conversation.name
    into.status = STATUSES[summary.active_state]
    into.archived = conversation.archived
    stamp(into.created_at, conversation.created_at)
    stamp(into.updated_at, conversation.updated_at)
