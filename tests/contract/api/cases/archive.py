"""`parley.archive.v3`: the archive of a user's conversations."""

from typing import Any

from tests.contract.api.case import (
    ABSENT,
    ANNA,
    BERT,
    STRANGER,
    UNKNOWN_ID,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Matching,
    Refused,
    Reply,
    Stream,
)

_SERVICE = "parley.archive.v3.ArchiveService"
_FIND = f"{_SERVICE}/FindConversations"
_GET = f"{_SERVICE}/GetConversation"
_DELETE = f"{_SERVICE}/DeleteConversation"
# 64-bit integers are texts in the JSON that cases are written in.
_MILLISECONDS = Matching(r"\d{13}")
_NEVER: Json = {"user_id": ABSENT, "timestamp": "0"}
_THREADS = "parley.v1.ThreadService"


def _thread(name: str, **keep: str) -> Call:
    return Call(f"{_THREADS}/CreateThread", {"conversation_key": name, "name": name}, keep=keep)


def _said(key: str, text: str) -> Call:
    return Call(
        "parley.v1.RunService/Generate",
        {"conversation_key": key, "user_message": {"role": "ROLE_USER", "content": text}},
    )


_FOUND_ONE = Call(_FIND, {}, keep={"id": "conversations.0.id", "user": "conversations.0.created.user_id"})
_ONE = (_thread("talk"), _FOUND_ONE)
_TALK = (_thread("talk"), _said("talk", "Hi"), _FOUND_ONE)


def _conditions(*filters: tuple[Any, ...]) -> Json:
    return {"filters": [list(each) for each in filters]}


def _named(*names: str) -> Reply:
    return Reply({"conversations": [{"name": name} for name in names]})


def _bad(name: str, request: Json, *fields: str, detail: str) -> Case:
    refused = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields, detail=Matching(detail))
    return Case(f"find: {name}", _FIND, request, refused)


_THREE = (_thread("alpha"), _thread("beta"), _thread("gamma"))

_FINDING = [
    Case(
        "a conversation is found whole",
        _FIND,
        {},
        Reply(
            {
                "conversations": [
                    {
                        "id": UUID,
                        "name": "talk",
                        "model": "first",
                        "img_gen_model": "painter",
                        "summary": "",
                        "organization_id": ABSENT,
                        "assistant_id": ABSENT,
                        "messages": [
                            {
                                "id": UUID,
                                "timestamp": _MILLISECONDS,
                                "role": "ROLE_USER",
                                "content": "Hi",
                                "reasoning_content": ABSENT,
                                "model": ABSENT,
                                "img_gen": ABSENT,
                            },
                            {"role": "ROLE_ASSISTANT", "content": "You said: Hi", "model": "first"},
                        ],
                        "created": {"user_id": "$user", "timestamp": _MILLISECONDS},
                        "updated": {"user_id": "$user", "timestamp": _MILLISECONDS},
                        "accessed": _NEVER,
                    }
                ]
            }
        ),
        _TALK,
    ),
    Case("nothing is found where there is nothing", _FIND, {}, Reply({"conversations": []})),
    Case("the oldest comes first unless asked otherwise", _FIND, {}, _named("alpha", "beta", "gamma"), _THREE),
    Case(
        "sorted the other way",
        _FIND,
        {"sort_key": "name", "sort_order": 1},
        _named("gamma", "beta", "alpha"),
        _THREE,
    ),
    Case(
        "the last to be written to comes first",
        _FIND,
        {"sort_key": "updated.timestamp", "sort_order": 1},
        _named("alpha", "gamma", "beta"),
        (*_THREE, _said("alpha", "Hi")),
    ),
    Case(
        "a range is half open",
        _FIND,
        {"sort_key": "name", "limit_from": 1, "limit_to": 2},
        _named("beta"),
        _THREE,
    ),
    Case("a range beyond the end is empty", _FIND, {"limit_from": 3, "limit_to": 2**62}, _named(), _THREE),
    Case("an empty range is empty", _FIND, {"limit_from": 1, "limit_to": 1}, _named(), _THREE),
    Case("equal", _FIND, _conditions(("name", "==", "beta")), _named("beta"), _THREE),
    Case(
        "a regex is found anywhere",
        _FIND,
        _conditions(("name", "regex", "(?i)MM|^al")),
        _named("alpha", "gamma"),
        _THREE,
    ),
    Case(
        "filters hold all together",
        _FIND,
        _conditions(("name", ">", "alpha"), ("name", "regex", "a$"), ("created.timestamp", ">", 1735689600000)),
        _named("beta", "gamma"),
        _THREE,
    ),
    Case("no value equals null", _FIND, _conditions(("assistant_id", "==", None)), _named("talk"), _ONE),
    Case("by id, in either case", _FIND, _conditions(("id", "==", "$id")), _named("talk"), _ONE),
    Case("by who made it", _FIND, _conditions(("created.user_id", "==", "$user")), _named("talk"), _ONE),
    Case("never looked at", _FIND, _conditions(("accessed.timestamp", "==", 0)), _named("talk"), _ONE),
    Case(
        "archived ones are found, too",
        _FIND,
        {},
        _named("talk"),
        (
            _thread("talk"),
            Call(f"{_THREADS}/UpdateThread", {"conversation_key": "talk", "archived": True}),
        ),
    ),
    Case("a colleague's are not found", _FIND, {}, _named(), _ONE, BERT),
    Case("nobody else's are found", _FIND, {}, _named(), _ONE, STRANGER),
    Case(
        "the archive's own scope is enough",
        _FIND,
        {},
        _named("talk"),
        _ONE,
        Caller(scopes=("ayeto.conversation",)),
    ),
]

_BAD_SEARCHES = [
    _bad("an unknown field", _conditions(("title", "==", "x")), "filters[0][0]", detail=r"filters.0..0.: .*'title'"),
    _bad("an unknown operator", _conditions(("name", "~", "x")), "filters[0][1]", detail=r"filters\[0\]\[1\]: .*'~'"),
    _bad("a bad regex", _conditions(("name", "regex", "(")), "filters[0][2]", detail=r".*missing \).*"),
    _bad("a long regex", _conditions(("name", "regex", "x" * 513)), "filters[0][2]", detail=r".*512 characters"),
    _bad("a text for a time", _conditions(("created.timestamp", ">", "2025")), "filters[0][2]", detail=".*a number.*"),
    _bad("a number for a text", _conditions(("name", "==", 5)), "filters[0][2]", detail=".*must be a text, not 5"),
    _bad("a truth for a text", _conditions(("name", "==", True)), "filters[0][2]", detail=".*must be a text, not true"),
    _bad("an id that is none", _conditions(("assistant_id", "==", "x")), "filters[0][2]", detail=".*a UUID, not 'x'"),
    _bad("a regex on a time", _conditions(("updated.timestamp", "regex", "1")), "filters[0][1]", detail=".*a number.*"),
    _bad("null for a name", _conditions(("name", "==", None)), "filters[0][2]", detail=".*never null"),
    _bad("more than null", _conditions(("assistant_id", ">", None)), "filters[0][2]", detail=".*== and != only"),
    _bad("half a millisecond", _conditions(("created.timestamp", ">", 0.5)), "filters[0][2]", detail=".*a whole .*"),
    _bad("a time beyond all", _conditions(("created.timestamp", ">", 1e300)), "filters[0][2]", detail=".*within.*"),
    _bad("two parts", _conditions(("name", "==")), "filters[0]", detail=r"filters\[0\]: must be \[field, .*"),
    _bad(
        "the second filter",
        _conditions(("name", "==", "x"), ("name", "==", [])),
        "filters[1][2]",
        detail=r"filters\[1\]\[2\]: must be a text, not a list",
    ),
    _bad("too many filters", _conditions(*[("name", "==", "x")] * 33), "filters", detail="filters: .*32"),
    _bad("an unknown key to sort by", {"sort_key": "title"}, "sort_key", detail="sort_key: .*'title'"),
    _bad("an unknown order", {"sort_order": 2}, "sort_order", detail="sort_order: .*"),
    _bad("a range from before the start", {"limit_from": -1}, "limit_from", detail="limit_from: .*negative"),
    _bad("a range to before the start", {"limit_to": -1}, "limit_to", detail="limit_to: .*negative"),
    _bad("a reversed range", {"limit_from": 2, "limit_to": 1}, "limit_to", detail="limit_to: .*below limit_from"),
]

_ONES = [
    Case(
        "a conversation is read, and shows the look before this one",
        _GET,
        {"entity_id": "$id"},
        Reply(
            {
                "conversation": {
                    "id": "$id",
                    "messages": [{"content": "Hi"}, {"content": "You said: Hi"}],
                    "accessed": _NEVER,
                }
            }
        ),
        _TALK,
    ),
    Case(
        "a look is recorded, and changes nothing else",
        _FIND,
        _conditions(("accessed.timestamp", ">", 0)),
        Reply(
            {
                "conversations": [
                    {
                        "accessed": {"user_id": "$user", "timestamp": _MILLISECONDS},
                        "updated": {"user_id": "$user", "timestamp": "$updated"},
                    }
                ]
            }
        ),
        (*_TALK, Call(_GET, {"entity_id": "$id"}, keep={"updated": "conversation.updated.timestamp"})),
    ),
    Case(
        "who looks for another is named",
        _GET,
        {"entity_id": "$id"},
        Reply({"conversation": {"accessed": {"user_id": UUID}, "created": {"user_id": "$user"}}}),
        (*_ONE, Call(_GET, {"entity_id": "$id"}, caller=Caller(user="bert", on_behalf_of="anna"))),
    ),
    Case("a conversation is destroyed", _DELETE, {"entity_id": "$id"}, Reply({"entity_id": "$id"}), _ONE),
    Case(
        "what is destroyed here is destroyed everywhere",
        f"{_THREADS}/GetThread",
        {"conversation_key": "talk"},
        Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404),
        (*_ONE, Call(_DELETE, {"entity_id": "$id"})),
    ),
    Case(
        "a run under way does not keep a conversation from being destroyed",
        _DELETE,
        {"entity_id": "$id"},
        Reply({"entity_id": "$id"}),
        (
            _thread("talk"),
            Call(
                "parley.v1.RunService/SendMessage",
                {"conversation_key": "talk", "user_message": {"role": "ROLE_USER", "content": "hold"}},
            ),
            _FOUND_ONE,
        ),
    ),
]

_NOT_FOUND = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404, detail=f"not found, id: {UNKNOWN_ID}")
_REFUSED = [
    case
    for rpc in (_GET, _DELETE)
    for case in (
        Case(f"{rpc}: an unknown id", rpc, {"entity_id": UNKNOWN_ID}, _NOT_FOUND),
        Case(
            f"{rpc}: another tenant's",
            rpc,
            {"entity_id": "$id"},
            Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404, detail=Matching("not found, id: [-0-9a-f]{36}")),
            _ONE,
            STRANGER,
        ),
        Case(
            f"{rpc}: a colleague's",
            rpc,
            {"entity_id": "$id"},
            Refused(
                "PERMISSION_DENIED",
                "CONVERSATION_FORBIDDEN",
                403,
                detail="the conversation belongs to another user",
            ),
            _ONE,
            BERT,
        ),
        Case(
            f"{rpc}: no UUID",
            rpc,
            {"entity_id": "talk"},
            Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("entity_id",), detail=Matching("entity_id: .*UUID.*")),
        ),
        Case(
            f"{rpc}: no id",
            rpc,
            {},
            Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("entity_id",), detail=Matching("entity_id: .*")),
            caller=ANNA,
        ),
    )
]

_CHAT, _STREAM = f"{_SERVICE}/Chat", f"{_SERVICE}/StreamChat"
_ASKED = Call(_CHAT, {"message": "Hi"}, keep={"id": "conversation_id"})
_PLACE = Matching(r"run_[0-9a-f]{32}:1:\d+")
_SEEN = Call(_STREAM, {"message": "Hi"}, keep={"seen": "id"})
_ASSISTANT = "123e4567-e89b-12d3-a456-426614174000"

_CHATS = [
    Case(
        "a message makes a conversation and is answered",
        _CHAT,
        {"message": "Hi"},
        Reply(
            {
                "conversation_id": UUID,
                "id": UUID,
                "timestamp": _MILLISECONDS,
                "role": "ROLE_ASSISTANT",
                "content": "You said: Hi",
                "reasoning_content": ABSENT,
                "model": "first",
                "img_gen": ABSENT,
            }
        ),
    ),
    Case(
        "the conversation is called by the first words and keeps what it was made with",
        _FIND,
        {},
        Reply(
            {
                "conversations": [
                    {
                        "name": "How do I write a function…",
                        "model": "second",
                        "organization_id": "$organization",
                        "assistant_id": _ASSISTANT,
                        "messages": [
                            {"role": "ROLE_USER", "model": ABSENT},
                            {"role": "ROLE_ASSISTANT", "model": "second"},
                        ],
                    }
                ]
            }
        ),
        (
            Call(
                _CHAT,
                {
                    "message": "How do I write a function in Python?",
                    "model": "second",
                    "organization_id": "$organization",
                    "assistant_id": _ASSISTANT,
                    "max_tokens": 100,
                    "remove_tool_calls": True,
                },
            ),
        ),
    ),
    Case(
        "a message continues a thread of another API",
        _CHAT,
        {"message": "Hi", "conversation_id": "$id"},
        Reply({"conversation_id": "$id", "content": "You said: Hi"}),
        _ONE,
    ),
    Case(
        "an image is drawn and shown with its file",
        _CHAT,
        {"message": "A duck", "image": True},
        Reply(
            {
                "role": "ROLE_ASSISTANT",
                "img_gen": {"model": Matching(".+"), "prompt": "A duck", "file_id": UUID},
            }
        ),
    ),
    Case(
        "an answer is streamed, and whole at last",
        _STREAM,
        {"message": "Hi", "conversation_id": "$id"},
        Stream(
            begins=(
                {"start": {"conversation_id": "$id", "message_id": UUID}},
                {"content": {"content": "You said: Hi"}},
            ),
            ends=({"message": {"conversation_id": "$id", "content": "You said: Hi", "model": "first"}},),
        ),
        _ONE,
    ),
    Case(
        "a stream makes a conversation, too",
        _STREAM,
        {"message": "Hi"},
        Stream(
            begins=({"id": _PLACE, "start": {"conversation_id": UUID}},),
            ends=({"id": _PLACE, "message": {"role": "ROLE_ASSISTANT"}},),
        ),
    ),
    Case(
        "a stream that was seen whole has nothing more to show, and nothing is sent",
        _STREAM,
        {"message": "Hi", "last_event_id": "$seen"},
        Stream(begins=(), ends=()),
        (_SEEN,),
    ),
    Case(
        "the answer of a stream that was seen is returned whole, and nothing is sent",
        _CHAT,
        {"message": "Hey", "last_event_id": "$seen"},
        Reply({"content": "You said: Hi"}),
        (_SEEN,),
    ),
]

_BAD_MESSAGES: list[tuple[str, Json, str]] = [
    ("no message", {}, "message"),
    ("no text", {"message": ""}, "message"),
    ("a conversation that is none", {"message": "Hi", "conversation_id": "talk"}, "conversation_id"),
    ("an assistant that is none", {"message": "Hi", "assistant_id": "x"}, "assistant_id"),
    ("an organization that is none", {"message": "Hi", "organization_id": "x"}, "organization_id"),
    ("no tokens", {"message": "Hi", "max_tokens": 0}, "max_tokens"),
    ("documents", {"message": "Hi", "documents": ["d"]}, "documents"),
    ("relevant history", {"message": "Hi", "relevant_history": True}, "relevant_history"),
    ("dynamic tools", {"message": "Hi", "dynamic_tools": True}, "dynamic_tools"),
    ("a place that is none", {"message": "Hi", "last_event_id": "7"}, "last_event_id"),
]

_BAD_CHATS = [
    case
    for rpc in (_CHAT, _STREAM)
    for case in (
        *(
            Case(
                f"{rpc}: {name}",
                rpc,
                request,
                Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, (field,), detail=Matching(f"{field}: .+")),
            )
            for name, request, field in _BAD_MESSAGES
        ),
        Case(
            f"{rpc}: an unknown model",
            rpc,
            {"message": "Hi", "model": "third"},
            Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400, detail=Matching("model: .*'third'")),
        ),
        Case(
            f"{rpc}: another assistant",
            rpc,
            {"message": "Hi", "conversation_id": "$id", "assistant_id": _ASSISTANT},
            Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("assistant_id",), detail=Matching("assistant_id: .+")),
            (_ASKED,),
        ),
        Case(
            f"{rpc}: another's organization",
            rpc,
            {"message": "Hi", "organization_id": "$organization"},
            Refused("PERMISSION_DENIED", "NOT_A_MEMBER", 403, detail=Matching(".*not an active member.*")),
            caller=STRANGER,
        ),
        Case(f"{rpc}: an unknown conversation", rpc, {"message": "Hi", "conversation_id": UNKNOWN_ID}, _NOT_FOUND),
        Case(
            f"{rpc}: a colleague's conversation",
            rpc,
            {"message": "Hi", "conversation_id": "$id"},
            Refused("PERMISSION_DENIED", "CONVERSATION_FORBIDDEN", 403),
            (_ASKED,),
            BERT,
        ),
        Case(
            f"{rpc}: an unknown run",
            rpc,
            {"message": "Hi", "last_event_id": f"run_{'0' * 32}:1:3"},
            Refused("NOT_FOUND", "RUN_NOT_FOUND", 404, detail=Matching("no run .*")),
        ),
        Case(
            f"{rpc}: a colleague's run",
            rpc,
            {"message": "Hi", "last_event_id": "$seen"},
            Refused("NOT_FOUND", "RUN_NOT_FOUND", 404),
            (_SEEN,),
            BERT,
        ),
        Case(
            f"{rpc}: a failed answer",
            rpc,
            {"message": "fail CONTEXT_TOO_LONG"},
            Refused("FAILED_PRECONDITION", "CONTEXT_TOO_LONG", 400, detail="as directed"),
        ),
    )
]

CASES = [*_FINDING, *_BAD_SEARCHES, *_ONES, *_REFUSED, *_CHATS, *_BAD_CHATS]
