"""`parley.v1.VoiceService`. The bot of these cases joins and says nothing; what is said in calls is tried in
`tests/integration/voice`."""

from tests.contract.api.case import BERT, MOMENT, STRANGER, Call, Caller, Case, Matching, Refused, Reply

_SERVICE = "parley.v1.VoiceService"
_CREATE, _END = f"{_SERVICE}/CreateDailySession", f"{_SERVICE}/EndDailySession"
_THREADS = "parley.v1.ThreadService"
_TALK = Call(f"{_THREADS}/CreateThread", {"conversation_key": "support-chat-001", "name": "Support Chat"})
_MORE = tuple(Call(f"{_THREADS}/CreateThread", {"conversation_key": f"talk-{n}"}) for n in (1, 2))
_ONE = {"conversation_key": "support-chat-001"}
_CALLED = Call(_CREATE, _ONE, {"room": "room_name", "url": "room_url", "token": "token"})
_ROOM = Matching(r"parley-[0-9a-f]{32}")
_SESSION = {
    "room_url": Matching(r"https://example\.daily\.co/parley-[0-9a-f]{32}"),
    "token": Matching(r"[0-9a-f]{32}"),
    "room_name": _ROOM,
    "expires_at": MOMENT,
}
_NO_THREAD = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_NO_SESSION = Refused("NOT_FOUND", "VOICE_SESSION_NOT_FOUND", 404)
_NO_SCOPE = Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403)
_WRITER = Caller(scopes=("conversations:read", "conversations:write"))


def _of_no_thread(rpc: str, name: str) -> list[Case]:
    bad = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("conversation_key",))
    return [
        Case(f"voice: {name} without a thread's key", rpc, {}, bad),
        Case(f"voice: {name} with a long key", rpc, {"conversation_key": "x" * 256}, bad),
        Case(f"voice: {name} of no thread", rpc, _ONE, _NO_THREAD),
        Case(f"voice: {name} of a colleague's thread", rpc, _ONE, _NO_THREAD, (_TALK,), BERT),
        Case(f"voice: {name} of a stranger's thread", rpc, _ONE, _NO_THREAD, (_TALK,), STRANGER),
        Case(f"voice: {name} by who may only write", rpc, _ONE, _NO_SCOPE, (_TALK,), _WRITER),
    ]


CASES = [
    Case("a call is made, with a room and a token to join it", _CREATE, _ONE, Reply(_SESSION), (_TALK,)),
    Case(
        "voice: the scope for it is enough",
        _CREATE,
        _ONE,
        Reply(_SESSION),
        (_TALK,),
        Caller(scopes=("voice:create",)),
    ),
    Case(
        "voice: a second call joins the session that lives",
        _CREATE,
        _ONE,
        Reply({"room_name": "$room", "room_url": "$url", "token": "$token"}),
        (_TALK, _CALLED),
    ),
    Case(
        "voice: behind the end of a session there is another",
        _CREATE,
        _ONE,
        Reply(_SESSION),
        (_TALK, _CALLED, Call(_END, _ONE)),
    ),
    Case(
        "voice: only so many calls of a user at a time",
        _CREATE,
        {"conversation_key": "talk-2"},
        Refused("RESOURCE_EXHAUSTED", "TOO_MANY_VOICE_SESSIONS", 429),
        (_TALK, *_MORE, _CALLED, Call(_CREATE, {"conversation_key": "talk-1"})),
    ),
    Case(
        "voice: a call that is over does not count",
        _CREATE,
        {"conversation_key": "talk-2"},
        Reply(_SESSION),
        (_TALK, *_MORE, _CALLED, Call(_CREATE, {"conversation_key": "talk-1"}), Call(_END, _ONE)),
    ),
    Case("a call is ended for everybody", _END, _ONE, Reply({"room_name": "$room"}), (_TALK, _CALLED)),
    Case("voice: what is not there is not ended", _END, _ONE, _NO_SESSION, (_TALK,)),
    Case("voice: what is ended is not ended again", _END, _ONE, _NO_SESSION, (_TALK, _CALLED, Call(_END, _ONE))),
    Case(
        "voice: who may create may end",
        _END,
        _ONE,
        Reply({"room_name": "$room"}),
        (_TALK, _CALLED),
        Caller(scopes=("voice:create",)),
    ),
    *_of_no_thread(_CREATE, "a call"),
    *_of_no_thread(_END, "the end"),
]
