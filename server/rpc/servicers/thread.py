"""`parley.v1.ThreadService`."""

from typing import Any

from parley.v1 import thread_pb2 as pb
from parley.v1 import thread_pb2_grpc

from server.application.branches import Branches
from server.application.compactions import Compactions
from server.application.forks import Forks
from server.application.threads import Threads
from server.domain.ids import MessageId
from server.rpc.codecs import branch as branch_codec
from server.rpc.codecs import run as run_codec
from server.rpc.codecs import thread as codec
from server.rpc.codecs.compaction import encode_compacted
from server.rpc.interceptors.call import owner, principal


class ThreadServicer(thread_pb2_grpc.ThreadServiceServicer):
    """Serves `ThreadService` with the use cases of threads, branches, forks and compactions; what each method promises
    stands in its proto."""

    def __init__(self, threads: Threads, branches: Branches, forks: Forks, compactions: Compactions) -> None:
        self._threads = threads
        self._branches = branches
        self._forks = forks
        self._compactions = compactions

    async def ListThreads(self, request: pb.ListThreadsRequest, _context: Any) -> pb.ListThreadsResponse:
        """A page of the caller's threads."""
        page = await self._threads.page(
            owner(),
            page_size=request.page_size,
            page_token=request.page_token,
            include_archived=request.include_archived,
        )
        return codec.encode_threads(page)

    async def CreateThread(self, request: pb.CreateThreadRequest, _context: Any) -> pb.Thread:
        """A new thread."""
        return codec.encode_thread(
            await self._threads.create(principal(), name=request.name, key=request.conversation_key)
        )

    async def GetThread(self, request: pb.GetThreadRequest, _context: Any) -> pb.Thread:
        """One thread without its messages."""
        return codec.encode_thread(await self._threads.get(owner(), request.conversation_key))

    async def UpdateThread(self, request: pb.UpdateThreadRequest, _context: Any) -> pb.Thread:
        """The thread with what was given changed."""
        summary = await self._threads.update(
            principal(),
            request.conversation_key,
            name=request.name if request.HasField("name") else None,
            archived=request.archived if request.HasField("archived") else None,
        )
        return codec.encode_thread(summary)

    async def DeleteThread(self, request: pb.DeleteThreadRequest, _context: Any) -> pb.DeleteThreadResponse:
        """The id of what was destroyed."""
        return pb.DeleteThreadResponse(id=await self._threads.delete(principal(), request.conversation_key))

    async def GetConversationState(
        self, request: pb.GetConversationStateRequest, _context: Any
    ) -> pb.ConversationState:
        """Everything about a thread at one moment."""
        return codec.encode_state(await self._threads.state(owner(), request.conversation_key))

    async def ListMessages(self, request: pb.ListMessagesRequest, _context: Any) -> pb.ListMessagesResponse:
        """A page of a thread's history."""
        page = await self._threads.messages(
            owner(),
            request.conversation_key,
            page_size=request.page_size,
            page_token=request.page_token,
            branch=request.branch,
        )
        return codec.encode_messages(page)

    async def ListBranches(self, request: pb.ListBranchesRequest, _context: Any) -> pb.ListBranchesResponse:
        """A page of a thread's branches."""
        page = await self._branches.page(
            owner(), request.conversation_key, page_size=request.page_size, page_token=request.page_token
        )
        return branch_codec.encode_branches(page)

    async def SwitchBranch(self, request: pb.SwitchBranchRequest, _context: Any) -> pb.Branch:
        """The branch that is the history now."""
        switched = await self._branches.switch(principal(), request.conversation_key, request.branch)
        return branch_codec.encode_branch(switched)

    async def ForkThread(self, request: pb.ForkThreadRequest, _context: Any) -> pb.Thread:
        """The new thread."""
        fork = await self._forks.fork(
            principal(),
            request.conversation_key,
            upto=MessageId(request.message_id) if request.message_id else None,
            new_key=request.new_conversation_key,
            name=request.name,
        )
        return codec.encode_thread(fork)

    async def CompactConversation(
        self, request: pb.CompactConversationRequest, _context: Any
    ) -> pb.CompactConversationResponse:
        """The summary that there is now."""
        return encode_compacted(await self._compactions.compact(principal(), request.conversation_key))

    async def UpdateDefaultGenerationConfig(
        self, request: pb.UpdateDefaultGenerationConfigRequest, _context: Any
    ) -> pb.UpdateDefaultGenerationConfigResponse:
        """The resulting configuration."""
        changes = run_codec.decode_generation(request.generation_config)
        config = await self._threads.configure_generation(principal(), request.conversation_key, changes)
        return pb.UpdateDefaultGenerationConfigResponse(generation_config=run_codec.encode_generation(config))

    async def UpdateSettings(self, request: pb.UpdateSettingsRequest, _context: Any) -> pb.UpdateSettingsResponse:
        """The resulting settings."""
        changes = codec.decode_settings(request.settings)
        settings = await self._threads.configure_settings(principal(), request.conversation_key, changes)
        return pb.UpdateSettingsResponse(settings=codec.encode_settings(settings))

    async def UpdateContextManagementSettings(
        self, request: pb.UpdateContextManagementSettingsRequest, _context: Any
    ) -> pb.UpdateContextManagementSettingsResponse:
        """The resulting settings of the window."""
        changes = request.context_management_settings
        context_management = await self._threads.configure_context(
            principal(),
            request.conversation_key,
            strategy=codec.decode_strategy(changes.strategy),
            max_history_messages=changes.max_history_messages if changes.HasField("max_history_messages") else None,
        )
        return pb.UpdateContextManagementSettingsResponse(
            context_management_settings=codec.encode_context(context_management)
        )
