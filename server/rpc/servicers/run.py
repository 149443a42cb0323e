"""`parley.v1.RunService`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from parley.v1 import event_pb2, run_pb2_grpc
from parley.v1 import run_pb2 as pb

from server.application.run_prompts import RunPrompts
from server.application.runs import Runs
from server.application.streams import Streams
from server.domain.events import Shown
from server.domain.ids import RunId
from server.domain.run import Run
from server.rpc.codecs import run as codec
from server.rpc.codecs.event import encode_shown
from server.rpc.codecs.run_prompt import encode_requests
from server.rpc.interceptors.call import owner, principal


class RunServicer(run_pb2_grpc.RunServiceServicer):
    """Serves `RunService` with the use cases of runs, streams and prompts; what each method promises stands in its
    proto."""

    def __init__(self, runs: Runs, streams: Streams, prompts: RunPrompts) -> None:
        self._runs = runs
        self._prompts = prompts
        self._streams = streams

    async def SendMessage(self, request: pb.SendMessageRequest, _context: Any) -> pb.SendMessageResponse:
        """The run that will answer, RUNNING or QUEUED."""
        return codec.encode_accepted(await self._asked(request))

    async def EditMessage(self, request: pb.EditMessageRequest, _context: Any) -> pb.SendMessageResponse:
        """The run that will answer the new text."""
        return codec.encode_accepted(await self._runs.send(principal(), codec.decode_edit(request)))

    async def Regenerate(self, request: pb.RegenerateRequest, _context: Any) -> pb.SendMessageResponse:
        """The run that will answer anew."""
        return codec.encode_accepted(await self._runs.send(principal(), codec.decode_regenerate(request)))

    async def Generate(self, request: pb.SendMessageRequest, _context: Any) -> AsyncGenerator[event_pb2.Event, None]:
        """The events of the run that answers, to its end."""
        caller = owner()
        run = await self._asked(request)
        stream = self._streams.run(caller, run.id, after=request.after_sequence)
        async with aclosing(_encoded(stream, run.conversation_key)) as events:
            async for event in events:
                yield event

    async def _asked(self, request: pb.SendMessageRequest) -> Run:
        """The run of a message that is sent now, or that was: then its caller has seen some of it."""
        caller, command, seen = principal(), codec.decode_send(request), request.after_sequence
        if not seen:
            return await self._runs.send(caller, command)
        return await self._streams.seen(caller.owner, command.conversation_key, command.content, after=seen)

    async def StreamRun(self, request: pb.StreamRunRequest, _context: Any) -> AsyncGenerator[event_pb2.Event, None]:
        """The events of a run behind a cursor, to its end."""
        caller = owner()
        run = await self._runs.get(caller, RunId(request.run_id))
        stream = self._streams.run(caller, run.id, after=request.after_sequence)
        async with aclosing(_encoded(stream, run.conversation_key)) as events:
            async for event in events:
                yield event

    async def WatchThread(self, request: pb.WatchThreadRequest, _context: Any) -> AsyncGenerator[event_pb2.Event, None]:
        """The events of a thread behind a cursor, until the caller has enough."""
        stream = self._streams.watch(owner(), request.conversation_key, after=request.after_sequence)
        async with aclosing(_encoded(stream, request.conversation_key)) as events:
            async for event in events:
                yield event

    async def GetRun(self, request: pb.GetRunRequest, _context: Any) -> pb.Run:
        """One run."""
        return codec.encode_run(await self._runs.get(owner(), RunId(request.run_id)))

    async def GetRunPrompt(self, request: pb.GetRunPromptRequest, _context: Any) -> pb.GetRunPromptResponse:
        """A page of what the model was sent in a run."""
        page = await self._prompts.page(
            owner(), RunId(request.run_id), page_size=request.page_size, page_token=request.page_token
        )
        return encode_requests(page)

    async def ListRuns(self, request: pb.ListRunsRequest, _context: Any) -> pb.ListRunsResponse:
        """A page of a thread's runs."""
        page = await self._runs.page(
            owner(), request.conversation_key, page_size=request.page_size, page_token=request.page_token
        )
        return codec.encode_runs(page)

    async def CancelRun(self, request: pb.CancelRunRequest, _context: Any) -> pb.Run:
        """The run, which is over."""
        return codec.encode_run(await self._runs.cancel(principal(), RunId(request.run_id)))


async def _encoded(stream: AsyncGenerator[Shown, None], conversation_key: str) -> AsyncGenerator[event_pb2.Event, None]:
    """The stream as the wire has it; closing it closes the stream."""
    async with aclosing(stream) as events:
        async for event in events:
            yield encode_shown(event, conversation_key)
