"""`parley.v1.RunService`: files that messages bring along."""

import base64

from tests.contract.api.case import (
    BERT,
    RUN_ID,
    STRANGER,
    UNKNOWN_ID,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Refused,
    Reply,
    Stream,
)
from tests.support.images import DOT

_THREADS = "parley.v1.ThreadService"
_RUNS = "parley.v1.RunService"
_FILES = "parley.v1.FileService"
_TALK: Json = {"conversation_key": "talk"}
_MADE = Call(f"{_THREADS}/CreateThread", _TALK)
_DOT = Call(
    f"{_FILES}/UploadFile",
    {"name": "dot.png", "content": base64.b64encode(DOT).decode()},
    keep={"file": "file_id"},
)
_NOTES = Call(
    f"{_FILES}/UploadFile",
    {"name": "notes.txt", "content": base64.b64encode(b"Remember the milk.").decode()},
    keep={"notes": "file_id"},
)
_UNSPEAKABLE = Call(
    f"{_FILES}/UploadFile",
    {"name": "notes.txt", "content": base64.b64encode(b"Quite unspeakable things.").decode()},
    keep={"file": "file_id"},
)
_GONE = Call(f"{_FILES}/DeleteFile", {"file_id": "$file"})
_SHOWN: Json = {"file_id": "$file", "name": "dot.png", "media_type": "image/png", "size_bytes": str(len(DOT))}
_NO_FILE = Refused("NOT_FOUND", "FILE_NOT_FOUND", 404)


def _message(*files: str, content: str = "What is it?", **more: object) -> Json:
    attachments = [{"file_id": file} for file in files]
    return {**_TALK, "user_message": {"content": content, "attachments": attachments}, **more}


_ASKED = Call(f"{_RUNS}/Generate", _message("$file"), keep={"run": "run_id"})
_HOLDING = Call(f"{_RUNS}/SendMessage", _message(content="hold"))
_DRAWN = Call(f"{_RUNS}/Generate", {**_message(content="A dot"), "image": True})
_IMAGES = Call(f"{_THREADS}/ListMessages", _TALK, keep={"drawn": "messages.1.image.file_id"})
_LISTED = Call(f"{_THREADS}/ListMessages", _TALK, keep={"question": "messages.0.id"})


def _too_many() -> tuple[Call, ...]:
    return tuple(
        Call(f"{_FILES}/UploadFile", {"name": f"{number}.txt"}, keep={f"file_{number}": "file_id"})
        for number in range(11)
    )


_ACCEPTED = [
    Case(
        "a message brings a file along",
        f"{_RUNS}/SendMessage",
        _message("$file"),
        Reply({"run_id": RUN_ID}),
        (_MADE, _DOT),
    ),
    Case(
        "a stream begins with the message and its files",
        f"{_RUNS}/Generate",
        _message("$file", "$notes"),
        Stream(
            begins=(
                {
                    "run_started": {
                        "message": {
                            "content": "What is it?",
                            "attachments": [
                                {**_SHOWN, "deleted": False},
                                {"file_id": "$notes", "name": "notes.txt", "media_type": "text/plain"},
                            ],
                        }
                    }
                },
            ),
            ends=({"run_ended": {"status": "COMPLETED"}},),
        ),
        (_MADE, _DOT, _NOTES),
    ),
    Case(
        "an edit has the files that it names",
        f"{_RUNS}/EditMessage",
        {**_message("$notes"), "message_id": "$question"},
        Reply({"run_id": RUN_ID}),
        (_MADE, _DOT, _NOTES, _ASKED, _LISTED),
    ),
    Case(
        "a history shows the files of its messages",
        f"{_THREADS}/ListMessages",
        _TALK,
        Reply({"messages": [{"id": UUID, "attachments": [{**_SHOWN, "deleted": False}]}, {"attachments": []}]}),
        (_MADE, _DOT, _ASKED),
    ),
    Case(
        "a history says which files are gone",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply({"messages": [{"attachments": [{**_SHOWN, "deleted": True}]}, {"attachments": []}]}),
        (_MADE, _DOT, _ASKED, _GONE),
    ),
    Case(
        "what the model was sent names the files and not what they hold",
        f"{_RUNS}/GetRunPrompt",
        {"run_id": "$run"},
        Reply(
            {
                "requests": [
                    {
                        "messages": [
                            {"content": "What is it?", "attachments": [{**_SHOWN, "shown": "ATTACHMENT_SHOWN_WHOLE"}]}
                        ]
                    }
                ]
            }
        ),
        (_MADE, _DOT, _ASKED),
    ),
    Case(
        "a message that waits shows its files",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply({"queued_messages": [{"attachments": [_SHOWN]}]}),
        (_MADE, _DOT, _HOLDING, Call(f"{_RUNS}/SendMessage", _message("$file"))),
    ),
]


def _refused(name: str, refused: Refused, request: Json, *before: Call, caller: Caller | None = None) -> list[Case]:
    calls = (_MADE, *before)
    if caller is None:
        return [Case(f"{m}: {name}", f"{_RUNS}/{m}", request, refused, calls) for m in ("SendMessage", "Generate")]
    theirs = (*before, Call(_MADE.rpc, _MADE.request, caller=caller))
    return [Case(f"SendMessage: {name}", f"{_RUNS}/SendMessage", request, refused, theirs, caller)]


_SECOND: Json = {"generation_config": {"model": "second"}}
_BAD = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("user_message.attachments",))
_NOT_TAKEN = Refused("FAILED_PRECONDITION", "ATTACHMENT_NOT_ACCEPTED", 400)
_TOO_MANY = Refused("INVALID_ARGUMENT", "ATTACHMENTS_TOO_LARGE", 400)
_NO_SCOPE = Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403)
_WRITER = Caller(scopes=("conversations:write",))

_REFUSED = [
    *_refused("an unknown file", _NO_FILE, _message(UNKNOWN_ID)),
    *_refused("a file that was deleted", _NO_FILE, _message("$file"), _DOT, _GONE),
    *_refused("a colleague's file", _NO_FILE, _message("$file"), _DOT, caller=BERT),
    *_refused("a stranger's file", _NO_FILE, _message("$file"), _DOT, caller=STRANGER),
    *_refused("a file that the model does not take", _NOT_TAKEN, _message("$file", **_SECOND), _DOT),
    *_refused("the same file twice", _BAD, _message("$file", "$file"), _DOT),
    *_refused("a file with an image to be drawn", _BAD, _message("$file", image=True), _DOT),
    *_refused("too many files", _TOO_MANY, _message(*(f"$file_{number}" for number in range(11))), *_too_many()),
    *_refused(
        "a file without a name",
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("user_message.attachments[0].file_id",)),
        _message(""),
    ),
    *_refused(
        "what the operator does not allow, in a file",
        Refused("INVALID_ARGUMENT", "CONTENT_REFUSED", 400),
        _message("$file"),
        _UNSPEAKABLE,
    ),
    *_refused("an image that was drawn", _NO_FILE, _message("$drawn"), _DRAWN, _IMAGES),
    Case(
        "a file takes leave to read files",
        f"{_RUNS}/SendMessage",
        _message("$file"),
        _NO_SCOPE,
        (_MADE, _DOT),
        _WRITER,
    ),
    Case(
        "an edit brings no unknown file along",
        f"{_RUNS}/EditMessage",
        {**_message(UNKNOWN_ID), "message_id": "$question"},
        _NO_FILE,
        (_MADE, _DOT, _ASKED, _LISTED),
    ),
]

CASES = [*_ACCEPTED, *_REFUSED]
