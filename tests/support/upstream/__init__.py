"""A scripted model server over real HTTP, for the tests of whatever calls a model. Begin with `ScriptedUpstream`."""

from tests.support.upstream.connection import RecordedRequest
from tests.support.upstream.gate import Gate
from tests.support.upstream.scripts import (
    FIN,
    HANG,
    RESET,
    Delta,
    Endless,
    Pause,
    Reasoning,
    Script,
    answer,
    raw,
    refusal,
    silence,
    stream,
)
from tests.support.upstream.server import ScriptedUpstream

__all__ = [
    "FIN",
    "HANG",
    "RESET",
    "Delta",
    "Endless",
    "Gate",
    "Pause",
    "Reasoning",
    "RecordedRequest",
    "Script",
    "ScriptedUpstream",
    "answer",
    "raw",
    "refusal",
    "silence",
    "stream",
]
