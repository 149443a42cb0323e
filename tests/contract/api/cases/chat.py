"""`parley.chat.v1`: prompts, chats and their messages."""

from tests.contract.api.case import (
    BERT,
    MOMENT,
    STRANGER,
    UNKNOWN_ID,
    UUID,
    Call,
    Case,
    Json,
    Matching,
    Refused,
    Reply,
    Stream,
)
from tests.contract.api.directed_provider import TITLE

_SERVICE = "parley.chat.v1.ChatService"
_PROMPT, _STREAM = f"{_SERVICE}/Prompt", f"{_SERVICE}/StreamPrompt"
_MESSAGES, _LIST = f"{_SERVICE}/ListMessages", f"{_SERVICE}/ListChats"
_RENAME, _ARCHIVE = f"{_SERVICE}/RenameChat", f"{_SERVICE}/ArchiveChat"
_THREADS = "parley.v1.ThreadService"
_NOT_FOUND = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_REFUSED = Refused("INVALID_ARGUMENT", "CONTENT_REFUSED", 422)
_UNKNOWN_MODEL = Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 422)
_PLACE = Matching(r"run_[0-9a-f]{32}:1:\d+")

_ASKED = Call(_PROMPT, {"message": "Hi"}, keep={"chat": "chat_id"})
_THREAD = Call(f"{_THREADS}/CreateThread", {"conversation_key": "talk", "name": "Talk"}, keep={"chat": "id"})
_MODELS = Call(
    "parley.conversations.v1.ModelService/ListModels", {"org_id": "$organization"}, keep={"model": "models.1.id"}
)
_ADDED = Call(
    "parley.conversations.v1.ModelService/AddModel",
    {"org_id": "$organization", "model": {"provider": "scripted", "name": "third"}},
    keep={"added": "model.id"},
)
_ARCHIVED = Call(_ARCHIVE, {"chat_id": "$chat"})


def _bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return Case(f"{rpc}: {name}", rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 422, fields))


_PROMPTS = [
    Case(
        "a prompt makes a chat and returns its answer",
        _PROMPT,
        {"message": "Hi"},
        Reply({"answer": "You said: Hi", "chat_id": UUID}),
    ),
    Case(
        "a prompt continues a chat",
        _PROMPT,
        {"message": "And now?", "chat_id": "$chat", "generate_title": True, "use_cache": False},
        Reply({"answer": "You said: And now?", "chat_id": "$chat"}),
        (_ASKED,),
    ),
    Case(
        "a prompt continues a thread by its id",
        _PROMPT,
        {"message": "Hi", "chat_id": "$chat"},
        Reply({"answer": "You said: Hi", "chat_id": "$chat"}),
        (_THREAD,),
    ),
    Case(
        "a prompt names a model by its id",
        _PROMPT,
        {"message": "Hi", "provider_id": "scripted", "model_id": "$model"},
        Reply({"answer": "You said: Hi"}),
        (_MODELS,),
    ),
    Case(
        "a prompt names a model that the organization added",
        _PROMPT,
        {"message": "Hi", "model_id": "$added"},
        Reply({"answer": "You said: Hi"}),
        (_ADDED,),
    ),
    Case(
        "a prompt names a model that the organization added by its name and provider",
        _PROMPT,
        {"message": "Hi", "provider_id": "scripted", "model_id": "third"},
        Reply({"answer": "You said: Hi"}),
        (_ADDED,),
    ),
    Case(
        "a prompt that the operator does not allow is refused",
        _PROMPT,
        {"message": "UNSPEAKABLE"},
        _REFUSED,
    ),
    Case(
        "an answer that the operator does not allow is an error",
        _PROMPT,
        {"message": "secretly"},
        Refused("FAILED_PRECONDITION", "ANSWER_REFUSED", 422),
    ),
    Case(
        "a failed answer is an error with its reason",
        _PROMPT,
        {"message": "fail CONTEXT_TOO_LONG"},
        Refused("FAILED_PRECONDITION", "CONTEXT_TOO_LONG", 422),
    ),
    Case(
        "an answer that the provider fails is a processing error",
        _PROMPT,
        {"message": "fail PROVIDER_UNAVAILABLE"},
        Refused("UNAVAILABLE", "PROVIDER_UNAVAILABLE", 500),
    ),
    Case(
        "an answer that does not come in time is a processing error",
        _PROMPT,
        {"message": "fail PROVIDER_TIMEOUT"},
        Refused("DEADLINE_EXCEEDED", "PROVIDER_TIMEOUT", 500),
    ),
    Case(
        "a provider that limits the rate is told so",
        _PROMPT,
        {"message": "fail PROVIDER_RATE_LIMITED"},
        Refused("RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", 429),
    ),
]

_STREAMS = [
    Case(
        "an answer comes piece by piece and is complete at last",
        _STREAM,
        {"message": "Hi", "generate_title": False},
        Stream(
            begins=(
                {"id": _PLACE, "status": {"message": "Working on the answer."}},
                {"id": _PLACE, "final_answer": {"chunk": "You said: Hi"}},
            ),
            ends=({"id": _PLACE, "complete": {"answer": "You said: Hi", "chat_id": UUID}},),
        ),
    ),
    Case(
        "a failure before the first event is an ordinary error",
        _STREAM,
        {"message": "fail PROVIDER_UNAVAILABLE"},
        Refused("UNAVAILABLE", "PROVIDER_UNAVAILABLE", 500),
    ),
    Case(
        "a stream of a chat with a name has no title",
        _STREAM,
        {"message": "Hi", "chat_id": "$chat"},
        Stream(
            begins=({"status": {}}, {"final_answer": {}}),
            ends=({"final_answer": {"chunk": "You said: Hi"}}, {"complete": {"chat_id": "$chat"}}),
        ),
        (_THREAD,),
    ),
    Case(
        "a stream continues behind the last event seen, without another message",
        _STREAM,
        {"message": "Hi", "last_event_id": "$seen"},
        Stream(begins=(), ends=()),
        (Call(_STREAM, {"message": "Hi", "generate_title": False}, keep={"seen": "id"}),),
    ),
    Case(
        "a stream of an unknown run is not found",
        _STREAM,
        {"message": "Hi", "last_event_id": f"run_{'0' * 32}:1:3"},
        Refused("NOT_FOUND", "RUN_NOT_FOUND", 404),
    ),
    Case(
        "another user's stream is not found",
        _STREAM,
        {"message": "Hi", "last_event_id": "$seen"},
        Refused("NOT_FOUND", "RUN_NOT_FOUND", 404),
        (Call(_STREAM, {"message": "Hi"}, keep={"seen": "id"}),),
        BERT,
    ),
    _bad("a place that is none", _STREAM, {"message": "Hi", "last_event_id": "7"}, "last_event_id"),
]

_BAD_PROMPTS = [
    case
    for rpc in (_PROMPT, _STREAM)
    for case in (
        _bad("no text", rpc, {"message": ""}, "message"),
        _bad("a provider without a model", rpc, {"message": "Hi", "provider_id": "scripted"}, "model_id"),
        Case(f"{rpc}: an unknown model", rpc, {"message": "Hi", "model_id": "third"}, _UNKNOWN_MODEL),
        Case(f"{rpc}: an unknown model id", rpc, {"message": "Hi", "model_id": UNKNOWN_ID}, _UNKNOWN_MODEL),
        Case(
            f"{rpc}: an unknown provider",
            rpc,
            {"message": "Hi", "provider_id": "elsewhere", "model_id": "first"},
            _UNKNOWN_MODEL,
        ),
        Case(
            f"{rpc}: another provider's model",
            rpc,
            {"message": "Hi", "provider_id": "elsewhere", "model_id": "$model"},
            _UNKNOWN_MODEL,
            (_MODELS,),
        ),
    )
]

_LISTS = [
    Case(
        "messages are listed, the oldest first",
        _MESSAGES,
        {"chat_id": "$chat"},
        Reply(
            {
                "error": False,
                "id": "$chat",
                "user_id": UUID,
                "title": TITLE,
                "updated_at": MOMENT,
                "messages": [
                    {"id": UUID, "chat_id": "$chat", "role": "ROLE_USER", "content": "Hi", "created_at": MOMENT},
                    {"role": "ROLE_ASSISTANT", "content": "You said: Hi"},
                ],
                "total": 2,
                "limit": 50,
                "offset": 0,
                "has_more": False,
            }
        ),
        (_ASKED,),
    ),
    Case(
        "a window of messages has more behind it",
        _MESSAGES,
        {"chat_id": "$chat", "limit": 1},
        Reply({"messages": [{"content": "Hi"}], "total": 2, "limit": 1, "has_more": True}),
        (_ASKED,),
    ),
    Case(
        "the last window of messages has nothing behind it",
        _MESSAGES,
        {"chat_id": "$chat", "limit": 1, "offset": 1},
        Reply({"messages": [{"content": "You said: Hi"}], "total": 2, "offset": 1, "has_more": False}),
        (_ASKED,),
    ),
    Case(
        "behind the last message there is nothing",
        _MESSAGES,
        {"chat_id": "$chat", "offset": 2147483647},
        Reply({"messages": [], "total": 2, "offset": 2147483647, "has_more": False}),
        (_ASKED,),
    ),
    Case(
        "chats are listed, the newest first, threads included and archived ones left out",
        _LIST,
        {},
        Reply(
            {
                "error": False,
                "chats": [
                    {"id": "$last", "title": TITLE, "updated_at": MOMENT},
                    {"id": UUID, "title": "Talk", "updated_at": MOMENT},
                ],
                "total": 2,
                "limit": 20,
                "offset": 0,
                "has_more": False,
            }
        ),
        (
            _ASKED,
            _ARCHIVED,
            _THREAD,
            Call(_PROMPT, {"message": "Again"}, keep={"last": "chat_id"}),
        ),
    ),
    Case(
        "a window of chats",
        _LIST,
        {"limit": 1, "offset": 1},
        Reply({"chats": [{"id": "$chat"}], "total": 3, "limit": 1, "offset": 1, "has_more": True}),
        (
            Call(_PROMPT, {"message": "One", "generate_title": False}),
            Call(_PROMPT, {"message": "Two", "generate_title": False}, keep={"chat": "chat_id"}),
            Call(_PROMPT, {"message": "Three", "generate_title": False}),
        ),
    ),
    Case("nobody sees another's chats", _LIST, {}, Reply({"chats": [], "total": 0}), (_ASKED,), BERT),
    Case(
        "a chat without a title is a New Chat",
        _LIST,
        {},
        Reply({"chats": [{"title": "New Chat"}]}),
        (Call(_PROMPT, {"message": "Hi", "generate_title": False}),),
    ),
    Case(
        "a chat is shown as a thread, with its title for a name",
        f"{_THREADS}/GetThread",
        {"conversation_key": "$chat"},
        Reply({"id": "$chat", "name": TITLE, "archived": False}),
        (_ASKED,),
    ),
    _bad("a window that is none", _LIST, {"limit": 0, "offset": -1}, "limit", "offset"),
    _bad("a window that is too large", _LIST, {"limit": 101}, "limit"),
    _bad("a window that is none", _MESSAGES, {"chat_id": UNKNOWN_ID, "limit": 0, "offset": -1}, "limit", "offset"),
    _bad("a window that is too large", _MESSAGES, {"chat_id": UNKNOWN_ID, "limit": 101}, "limit"),
]

_CHANGES = [
    Case(
        "a chat is renamed",
        _RENAME,
        {"chat_id": "$chat", "title": "Another"},
        Reply({"error": False, "detail": Matching(".+"), "new_title": "Another"}),
        (_ASKED,),
    ),
    Case(
        "a renamed chat keeps its title whatever is said",
        _LIST,
        {},
        Reply({"chats": [{"id": "$chat", "title": "Another"}]}),
        (
            Call(_PROMPT, {"message": "Hi", "generate_title": False}, keep={"chat": "chat_id"}),
            Call(_RENAME, {"chat_id": "$chat", "title": "Another"}),
            Call(_PROMPT, {"message": "Hi", "chat_id": "$chat"}),
        ),
    ),
    Case(
        "a title that the operator does not allow is refused",
        _RENAME,
        {"chat_id": "$chat", "title": "Unspeakable"},
        _REFUSED,
        (_ASKED,),
    ),
    _bad("no title", _RENAME, {"chat_id": UNKNOWN_ID, "title": ""}, "title"),
    _bad("a long title", _RENAME, {"chat_id": UNKNOWN_ID, "title": "x" * 256}, "title"),
    Case(
        "a chat is archived",
        _ARCHIVE,
        {"chat_id": "$chat"},
        Reply({"error": False, "message": Matching(".+")}),
        (_ASKED,),
    ),
    Case(
        "an archived chat is an archived thread with all its messages",
        f"{_THREADS}/GetConversationState",
        {"conversation_key": "$chat"},
        Reply({"archived": True, "messages": [{"content": "Hi"}, {"content": "You said: Hi"}]}),
        (_ASKED, _ARCHIVED),
    ),
]

_OF_ONE: dict[str, Json] = {
    _PROMPT: {"message": "Hi"},
    _STREAM: {"message": "Hi"},
    _MESSAGES: {},
    _RENAME: {"title": "Another"},
    _ARCHIVE: {},
}
_ABSENT_CHATS = [
    case
    for rpc, request in _OF_ONE.items()
    for case in (
        Case(f"{rpc}: an unknown chat", rpc, {**request, "chat_id": UNKNOWN_ID}, _NOT_FOUND),
        Case(f"{rpc}: a text that is no id", rpc, {**request, "chat_id": "talk/1 \u0000?"}, _NOT_FOUND),
        Case(f"{rpc}: another user's chat", rpc, {**request, "chat_id": "$chat"}, _NOT_FOUND, (_ASKED,), BERT),
        Case(f"{rpc}: another tenant's chat", rpc, {**request, "chat_id": "$chat"}, _NOT_FOUND, (_ASKED,), STRANGER),
        Case(f"{rpc}: an archived chat", rpc, {**request, "chat_id": "$chat"}, _NOT_FOUND, (_ASKED, _ARCHIVED)),
    )
]

CASES = [*_PROMPTS, *_STREAMS, *_BAD_PROMPTS, *_LISTS, *_CHANGES, *_ABSENT_CHATS]
