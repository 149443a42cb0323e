"""The calls that the terminal client makes, with gRPC's errors told as sentences."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

import grpc
import grpc.aio
from parley.v1.event_pb2 import Event
from parley.v1.run_pb2 import CancelRunRequest, SendMessageRequest, StreamRunRequest, UserMessage
from parley.v1.run_pb2_grpc import RunServiceStub
from parley.v1.thread_pb2 import ConversationState, CreateThreadRequest, GetConversationStateRequest
from parley.v1.thread_pb2_grpc import ThreadServiceStub

from server.failure import CommandFailed

_UNARY_SECONDS: Final = 20
# Together about 15 seconds: enough for a server to be restarted.
_PAUSES: Final = (0.1, 0.25, 0.5, 1, 2, 2, 3, 3, 3)
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
# BoringSSL's word for a certificate that has expired or whose authority is unknown; gRPC's for a wrong name.
_VERIFICATION_FAILED: Final = "CERTIFICATE_VERIFY_FAILED"
# A server that dies or stops cuts its streams with one of these; the run goes on without us.
_CUT: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN})


class ServerUnreachable(CommandFailed):
    """Nobody answers at the address, or nobody does any more."""


class CallRefused(CommandFailed):
    """The server answered that it will not do that."""


class ChatClient:
    """A connection to one server with one key. Entered with `async with`."""

    def __init__(self, server: str, key: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        """`credentials`: TLS; `None`: nothing is encrypted."""
        self._server = server
        self._has_tls = credentials is not None
        self._metadata = (("x-api-key", key),)
        self._channel = (
            grpc.aio.insecure_channel(server, options=_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(server, credentials, options=_OPTIONS)
        )
        self._threads = ThreadServiceStub(self._channel)
        self._runs = RunServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close(None)

    async def open_thread(self, key: str | None, *, name: str) -> ConversationState:
        """The thread of that key, made when there is none; for `None` a new one, whose key is its id."""
        with self._told():
            if key is not None and (state := await self._state_or_none(key)) is not None:
                return state
            thread = await self._threads.CreateThread(
                CreateThreadRequest(name=name, conversation_key=key or ""),
                metadata=self._metadata,
                timeout=_UNARY_SECONDS,
            )
            return await self._state(thread.conversation_key)

    async def cancel(self, run_id: str) -> None:
        """End a run; one that is over stays as it is."""
        with self._told():
            await self._runs.CancelRun(CancelRunRequest(run_id=run_id), metadata=self._metadata, timeout=_UNARY_SECONDS)

    def answer(self, thread_key: str, text: str) -> AsyncGenerator[Event | None, None]:
        """Send a message and stream its run to the run's end.

        A cut stream is taken up again behind the last event seen, and a send whose outcome is unknown is repeated
        under the same request id, so that nothing is missed or said twice. `None` tells of each such attempt.
        """
        return self._events(
            SendMessageRequest(
                conversation_key=thread_key, user_message=UserMessage(content=text), request_id=uuid4().hex
            )
        )

    def follow(self, run_id: str) -> AsyncGenerator[Event | None, None]:
        """Stream a run that is under way from its beginning; otherwise as `answer`."""
        return self._events(StreamRunRequest(run_id=run_id))

    async def _events(self, request: SendMessageRequest | StreamRunRequest) -> AsyncGenerator[Event | None, None]:
        pauses = iter(_PAUSES)
        while True:
            try:
                async for event in self._call(request):
                    yield event
                    if event.HasField("run_ended"):
                        return
                    if event.sequence:
                        request = StreamRunRequest(run_id=event.run_id, after_sequence=event.sequence)
                        pauses = iter(_PAUSES)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _CUT:
                    raise self._refusal(error) from error
            pause = next(pauses, None)
            if pause is None:
                raise self._unreachable()
            yield None
            await asyncio.sleep(pause)

    def _call(self, request: SendMessageRequest | StreamRunRequest) -> AsyncIterable[Event]:
        if isinstance(request, SendMessageRequest):
            return self._runs.Generate(request, metadata=self._metadata)
        return self._runs.StreamRun(request, metadata=self._metadata)

    async def _state(self, key: str) -> ConversationState:
        return await self._threads.GetConversationState(
            GetConversationStateRequest(conversation_key=key), metadata=self._metadata, timeout=_UNARY_SECONDS
        )

    async def _state_or_none(self, key: str) -> ConversationState | None:
        try:
            return await self._state(key)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: grpc.aio.AioRpcError) -> CommandFailed:
        details = (error.details() or error.code().name).rstrip(".")
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return self._distrusted() if _VERIFICATION_FAILED in details else self._unreachable()
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            return CallRefused(f"The server at {self._server} does not accept the key: {details}. Give one with --key.")
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServerUnreachable(f"The server at {self._server} did not answer in time. Try again.")
        return CallRefused(f"The server refused: {details}.")

    def _unreachable(self) -> ServerUnreachable:
        hint = (
            "It may not speak TLS, or ask for a certificate: --client-certificate and --client-key."
            if self._has_tls
            else "Start one with `parley serve`, or name one with --server; one that speaks TLS needs --server-tls."
        )
        return ServerUnreachable(f"No Parley server answers at {self._server}. {hint}")

    def _distrusted(self) -> ServerUnreachable:
        return ServerUnreachable(
            f"The certificate of the server at {self._server} cannot be verified: it has expired, is for another name, "
            "or comes from an authority that is not trusted; name that with --server-ca."
        )
