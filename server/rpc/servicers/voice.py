"""`parley.v1.VoiceService`."""

from typing import Any

from parley.v1 import voice_pb2 as pb
from parley.v1 import voice_pb2_grpc

from server.application.voice import Voice
from server.rpc.codecs.timestamp import timestamp
from server.rpc.interceptors.call import principal


class VoiceServicer(voice_pb2_grpc.VoiceServiceServicer):
    """Serves `VoiceService`; what each method promises stands in its proto."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    async def CreateDailySession(self, request: pb.CreateDailySessionRequest, _context: Any) -> pb.DailySession:
        """The session, and a token of the caller's own."""
        admission = await self._voice.create(principal(), request.conversation_key)
        session = admission.session
        return pb.DailySession(
            room_url=session.room_url,
            token=admission.token,
            room_name=session.room_name,
            expires_at=timestamp(session.expires_at),
        )

    async def EndDailySession(self, request: pb.EndDailySessionRequest, _context: Any) -> pb.EndDailySessionResponse:
        """The room that is closed."""
        return pb.EndDailySessionResponse(room_name=await self._voice.end(principal(), request.conversation_key))
