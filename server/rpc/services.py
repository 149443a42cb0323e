"""The catalogue of services, and how they are put on a server of any kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc  # type: ignore[import-untyped]  # ships no stubs
from parley.archive.v3 import archive_pb2, archive_pb2_grpc
from parley.chat.v1 import chat_pb2, chat_pb2_grpc
from parley.conversations.v1 import conversations_pb2, conversations_pb2_grpc
from parley.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    data_pb2,
    data_pb2_grpc,
    file_pb2,
    file_pb2_grpc,
    key_pb2,
    key_pb2_grpc,
    mcp_pb2,
    mcp_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
    run_pb2,
    run_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    thread_pb2,
    thread_pb2_grpc,
    tool_pb2,
    tool_pb2_grpc,
    usage_pb2,
    usage_pb2_grpc,
    voice_pb2,
    voice_pb2_grpc,
    webhook_pb2,
    webhook_pb2_grpc,
)

from server.application.approvals import Approvals
from server.application.archive import Archive
from server.application.archive_chat import ArchiveChat
from server.application.audit import AuditRecords
from server.application.branches import Branches
from server.application.catalogue import Catalogue
from server.application.chats import Chats
from server.application.compactions import Compactions
from server.application.direct_calls import DirectCalls
from server.application.erasures import Erasures
from server.application.exports import Exports
from server.application.files import Files
from server.application.forks import Forks
from server.application.memories import Memories
from server.application.message_search import MessageSearches
from server.application.organization_conversations import OrganizationConversations
from server.application.organizations import Organizations
from server.application.own_keys import OwnKeys
from server.application.prompts import Prompts
from server.application.run_prompts import RunPrompts
from server.application.runs import Runs
from server.application.sessions import Sessions
from server.application.signed_urls import SignedUrls
from server.application.storage import Storage
from server.application.streams import Streams
from server.application.threads import Threads
from server.application.tools import Tools
from server.application.uploads import Uploads
from server.application.usage import UsageRecords
from server.application.voice import Voice
from server.application.webhooks import Webhooks
from server.domain.limits import Limits
from server.ports.system import Clock
from server.rpc.health import HealthServicer
from server.rpc.servicers.archive import ArchiveServicer
from server.rpc.servicers.audit import AuditServicer
from server.rpc.servicers.chat import ChatServicer
from server.rpc.servicers.conversations import ConversationServicer
from server.rpc.servicers.data import DataServicer
from server.rpc.servicers.file import FileServicer
from server.rpc.servicers.key import KeyServicer
from server.rpc.servicers.mcp import McpServicer
from server.rpc.servicers.memory import MemoryServicer
from server.rpc.servicers.organizations import ModelServicer, OrganizationServicer
from server.rpc.servicers.run import RunServicer
from server.rpc.servicers.search import SearchServicer
from server.rpc.servicers.thread import ThreadServicer
from server.rpc.servicers.tool import ToolServicer
from server.rpc.servicers.usage import UsageServicer
from server.rpc.servicers.voice import VoiceServicer
from server.rpc.servicers.webhook import WebhookServicer

DESCRIPTORS: Final[Sequence[ServiceDescriptor]] = (
    thread_pb2.DESCRIPTOR.services_by_name["ThreadService"],
    run_pb2.DESCRIPTOR.services_by_name["RunService"],
    search_pb2.DESCRIPTOR.services_by_name["SearchService"],
    tool_pb2.DESCRIPTOR.services_by_name["ToolService"],
    file_pb2.DESCRIPTOR.services_by_name["FileService"],
    mcp_pb2.DESCRIPTOR.services_by_name["McpService"],
    memory_pb2.DESCRIPTOR.services_by_name["MemoryService"],
    key_pb2.DESCRIPTOR.services_by_name["KeyService"],
    audit_pb2.DESCRIPTOR.services_by_name["AuditService"],
    usage_pb2.DESCRIPTOR.services_by_name["UsageService"],
    voice_pb2.DESCRIPTOR.services_by_name["VoiceService"],
    data_pb2.DESCRIPTOR.services_by_name["DataService"],
    webhook_pb2.DESCRIPTOR.services_by_name["WebhookService"],
    conversations_pb2.DESCRIPTOR.services_by_name["ConversationService"],
    conversations_pb2.DESCRIPTOR.services_by_name["OrganizationService"],
    conversations_pb2.DESCRIPTOR.services_by_name["ModelService"],
    archive_pb2.DESCRIPTOR.services_by_name["ArchiveService"],
    chat_pb2.DESCRIPTOR.services_by_name["ChatService"],
)
"""Every service that has methods with rules; health and reflection are not among them."""


class Registrar(Protocol):
    """Whatever takes handlers: a grpc.aio server, or an upstream in process."""

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler], /) -> None:
        """Take handlers that are asked by method name."""
        ...

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]", /
    ) -> None:
        """Take the handlers of a service by method name."""
        ...


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the servicers call."""

    threads: Threads
    branches: Branches
    forks: Forks
    compactions: Compactions
    runs: Runs
    run_prompts: RunPrompts
    message_searches: MessageSearches
    streams: Streams
    approvals: Approvals
    sessions: Sessions
    conversations: OrganizationConversations
    organizations: Organizations
    archive: Archive
    archive_chat: ArchiveChat
    files: Files
    storage: Storage
    uploads: Uploads
    urls: SignedUrls
    chats: Chats
    prompts: Prompts
    catalogue: Catalogue
    tools: Tools
    direct_calls: DirectCalls
    memories: Memories
    keys: OwnKeys
    audit: AuditRecords
    usage: UsageRecords
    voice: Voice
    limits: Limits
    exports: Exports
    erasures: Erasures
    webhooks: Webhooks
    clock: Clock
    """Tells what is over as it is shown."""


class Services:
    """All servicers over one set of use cases, and the health of the whole."""

    def __init__(self, use_cases: UseCases) -> None:
        self.health = HealthServicer([descriptor.full_name for descriptor in DESCRIPTORS])
        self._threads = ThreadServicer(use_cases.threads, use_cases.branches, use_cases.forks, use_cases.compactions)
        self._runs = RunServicer(use_cases.runs, use_cases.streams, use_cases.run_prompts)
        self._searches = SearchServicer(use_cases.message_searches)
        self._tools = ToolServicer(use_cases.approvals)
        self._files = FileServicer(
            use_cases.files, use_cases.storage, use_cases.uploads, use_cases.urls, use_cases.limits
        )
        self._mcp = McpServicer(use_cases.tools, use_cases.direct_calls)
        self._memories = MemoryServicer(use_cases.memories)
        self._keys = KeyServicer(use_cases.keys, use_cases.clock)
        self._audit = AuditServicer(use_cases.audit)
        self._usage = UsageServicer(use_cases.usage)
        self._voice = VoiceServicer(use_cases.voice)
        self._data = DataServicer(use_cases.exports, use_cases.erasures)
        self._webhooks = WebhookServicer(use_cases.webhooks)
        self._archive = ArchiveServicer(use_cases.archive, use_cases.archive_chat)
        self._chats = ChatServicer(use_cases.chats, use_cases.prompts)
        self._conversations = ConversationServicer(
            use_cases.conversations, use_cases.sessions, use_cases.runs, use_cases.streams
        )
        self._organizations = OrganizationServicer(use_cases.organizations)
        self._models = ModelServicer(use_cases.catalogue)

    def register(self, server: Registrar) -> None:
        """Put every service on a server. May be done on several: servicers hold nothing of a server or a call."""
        # The generated functions are declared for grpc.aio's class; they call nothing but what a Registrar has.
        aio = cast("grpc.aio.Server", server)
        thread_pb2_grpc.add_ThreadServiceServicer_to_server(self._threads, aio)
        run_pb2_grpc.add_RunServiceServicer_to_server(self._runs, aio)
        search_pb2_grpc.add_SearchServiceServicer_to_server(self._searches, aio)
        tool_pb2_grpc.add_ToolServiceServicer_to_server(self._tools, aio)
        file_pb2_grpc.add_FileServiceServicer_to_server(self._files, aio)
        mcp_pb2_grpc.add_McpServiceServicer_to_server(self._mcp, aio)
        memory_pb2_grpc.add_MemoryServiceServicer_to_server(self._memories, aio)
        key_pb2_grpc.add_KeyServiceServicer_to_server(self._keys, aio)
        audit_pb2_grpc.add_AuditServiceServicer_to_server(self._audit, aio)
        usage_pb2_grpc.add_UsageServiceServicer_to_server(self._usage, aio)
        voice_pb2_grpc.add_VoiceServiceServicer_to_server(self._voice, aio)
        data_pb2_grpc.add_DataServiceServicer_to_server(self._data, aio)
        conversations_pb2_grpc.add_ConversationServiceServicer_to_server(self._conversations, aio)
        conversations_pb2_grpc.add_OrganizationServiceServicer_to_server(self._organizations, aio)
        conversations_pb2_grpc.add_ModelServiceServicer_to_server(self._models, aio)
        webhook_pb2_grpc.add_WebhookServiceServicer_to_server(self._webhooks, aio)
        archive_pb2_grpc.add_ArchiveServiceServicer_to_server(self._archive, aio)
        chat_pb2_grpc.add_ChatServiceServicer_to_server(self._chats, aio)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, aio)
