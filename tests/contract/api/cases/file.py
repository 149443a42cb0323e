"""`parley.v1.FileService`, and the images that it keeps."""

import base64

from tests.contract.api.case import ABSENT, BERT, STRANGER, UNKNOWN_ID, UUID, Call, Caller, Case, Refused, Reply, Stream
from tests.support.images import DOT

_THREADS = "parley.v1.ThreadService"
_RUNS = "parley.v1.RunService"
_DOWNLOAD = "parley.v1.FileService/DownloadFile"
_TALK = {"conversation_key": "talk"}
_ASK = {**_TALK, "user_message": {"content": "a dot"}, "image": True}
_NOT_FOUND = Refused("NOT_FOUND", "FILE_NOT_FOUND", 404)
_MADE = Call(f"{_THREADS}/CreateThread", _TALK)
_DRAWN = Call(f"{_RUNS}/Generate", _ASK)
_LISTED = Call(f"{_THREADS}/ListMessages", _TALK, keep={"file": "messages.1.image.file_id"})
_SHOWN = {
    "role": "ROLE_ASSISTANT",
    "content": "",
    "model": "painter",
    "status": "MESSAGE_STATUS_COMPLETE",
    "image": {"model": "painter", "prompt": "a dot", "file_id": UUID},
}
_FILE = {"file_id": "$file"}

CASES = [
    Case(
        "the content of an image",
        _DOWNLOAD,
        _FILE,
        Stream(
            ({"content_type": "image/png", "data": base64.b64encode(DOT).decode()},),
            ({"content_type": "image/png"},),
        ),
        (_MADE, _DRAWN, _LISTED),
    ),
    Case(
        "a reader may read",
        _DOWNLOAD,
        _FILE,
        Stream(({"content_type": "image/png"},)),
        (_MADE, _DRAWN, _LISTED),
        Caller(scopes=("files:read",)),
    ),
    Case(
        "files have a scope of their own",
        _DOWNLOAD,
        _FILE,
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        (_MADE, _DRAWN, _LISTED),
        Caller(scopes=("conversations:read",)),
    ),
    Case("a colleague's file does not exist", _DOWNLOAD, _FILE, _NOT_FOUND, (_MADE, _DRAWN, _LISTED), BERT),
    Case("a stranger's file does not exist", _DOWNLOAD, _FILE, _NOT_FOUND, (_MADE, _DRAWN, _LISTED), STRANGER),
    Case("a file that never was", _DOWNLOAD, {"file_id": UNKNOWN_ID}, _NOT_FOUND),
    Case("a path is no file", _DOWNLOAD, {"file_id": "../../parley.db"}, _NOT_FOUND),
    Case(
        "a file goes with its thread",
        _DOWNLOAD,
        _FILE,
        _NOT_FOUND,
        (_MADE, _DRAWN, _LISTED, Call(f"{_THREADS}/DeleteThread", _TALK)),
    ),
    Case(
        "no file",
        _DOWNLOAD,
        {},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("file_id",)),
    ),
    Case(
        "an image is drawn and streamed as a message",
        f"{_RUNS}/Generate",
        _ASK,
        Stream(
            (
                {
                    "run_started": {
                        "message": {"role": "ROLE_USER", "content": "a dot", "image": ABSENT},
                        "model": "painter",
                    }
                },
                {"message_started": {"role": "ROLE_ASSISTANT", "model": "painter"}},
                {"message_completed": {"message": _SHOWN}},
            ),
            ({"run_ended": {"status": "COMPLETED"}},),
        ),
        (_MADE,),
    ),
    Case(
        "an image is in the history",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply({"messages": [{"role": "ROLE_USER", "content": "a dot"}, _SHOWN], "status": "THREAD_STATUS_IDLE"}),
        (_MADE, _DRAWN),
    ),
    Case(
        "a model that writes answers behind an image",
        f"{_THREADS}/ListMessages",
        _TALK,
        Reply({"messages": [{}, {"image": {"file_id": UUID}}, {}, {"content": "You said: nice", "image": ABSENT}]}),
        (_MADE, _DRAWN, Call(f"{_RUNS}/Generate", {**_TALK, "user_message": {"content": "nice"}})),
    ),
    Case(
        "an image of a model that nobody offers is refused",
        f"{_RUNS}/SendMessage",
        {**_ASK, "generation_config": {"model": "nobody/nothing"}},
        Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400),
        (_MADE,),
    ),
    Case(
        "an image that cannot be drawn fails its run and leaves no message",
        f"{_RUNS}/Generate",
        {**_ASK, "user_message": {"content": "fail PROVIDER_RATE_LIMITED"}},
        Stream(({"run_started": {}},), ({"run_ended": {"status": "FAILED", "reason": "PROVIDER_RATE_LIMITED"}},)),
        (_MADE,),
    ),
    Case(
        "an image may be cancelled",
        f"{_RUNS}/CancelRun",
        {"run_id": "$run"},
        Reply({"status": "RUN_STATUS_CANCELLED"}),
        (
            _MADE,
            Call(f"{_RUNS}/SendMessage", {**_ASK, "user_message": {"content": "hold"}}, keep={"run": "run_id"}),
        ),
    ),
]
