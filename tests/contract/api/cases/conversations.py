"""`parley.conversations.v1`: conversations, organizations and models."""

from tests.contract.api.case import (
    ABSENT,
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

_PACKAGE = "parley.conversations.v1"
_SERVICE = f"{_PACKAGE}.ConversationService"
_MODELS = f"{_PACKAGE}.ModelService/ListModels"
_ORGANIZATIONS = f"{_PACKAGE}.OrganizationService/ListOrganizations"
_NOT_A_MEMBER = Refused("PERMISSION_DENIED", "NOT_A_MEMBER", 403)
_NOT_FOUND = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_HERE: Json = {"org_id": "$organization"}
_MADE = Call(
    f"{_SERVICE}/CreateConversation",
    {**_HERE, "conversation": {"title": "A talk"}},
    keep={"conversation": "conversation.id"},
)
_MODEL = Call(_MODELS, _HERE, keep={"model": "models.1.id"})
_NEW_SESSION: Json = {**_HERE, "session": {"conversation_id": "$conversation", "model_id": "$model"}}
_OPENED = Call(f"{_SERVICE}/CreateSession", _NEW_SESSION, keep={"session": "session.id"})
_CHATTING = (_MADE, _MODEL, _OPENED)
_OF_ONE: Json = {**_HERE, "conversation_id": "$conversation"}


def _chat(message: str, session: str = "$session") -> Json:
    return {**_HERE, "chat": {"chat_session_id": session, "message": message}}


def _said(message: str) -> Call:
    return Call(f"{_SERVICE}/StreamChat", _chat(message))


def _bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return Case(f"{rpc}: {name}", rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields))


_CONVERSATIONS = [
    Case(
        "a conversation is made",
        f"{_SERVICE}/CreateConversation",
        {**_HERE, "conversation": {"title": "A talk", "is_archived": True}},
        Reply(
            {
                "conversation": {
                    "id": UUID,
                    "title": "A talk",
                    "is_archived": True,
                    "created_at": MOMENT,
                    "updated_at": MOMENT,
                }
            }
        ),
    ),
    _bad(
        "no title",
        f"{_SERVICE}/CreateConversation",
        {**_HERE, "conversation": {"title": ""}},
        "conversation.title",
    ),
    _bad(
        "a long title",
        f"{_SERVICE}/CreateConversation",
        {**_HERE, "conversation": {"title": "x" * 256}},
        "conversation.title",
    ),
    Case(
        "conversations are listed, the newest first, archived ones and threads included",
        f"{_SERVICE}/ListConversations",
        _HERE,
        Reply(
            {
                "conversations": [
                    {"title": "talk", "is_archived": False},
                    {"title": "Old", "is_archived": True},
                    {"id": "$conversation", "title": "A talk"},
                ]
            }
        ),
        (
            _MADE,
            Call(f"{_SERVICE}/CreateConversation", {**_HERE, "conversation": {"title": "Old", "is_archived": True}}),
            Call("parley.v1.ThreadService/CreateThread", {"conversation_key": "talk"}),
        ),
    ),
    Case(
        "nobody sees another's conversations",
        f"{_SERVICE}/ListConversations",
        _HERE,
        Reply({"conversations": []}),
        (_MADE,),
        BERT,
    ),
    Case(
        "a conversation is shown with its sessions",
        f"{_SERVICE}/GetConversationWithSessions",
        _OF_ONE,
        Reply(
            {
                "conversation": {
                    "id": "$conversation",
                    "title": "A talk",
                    "chat_sessions": [{"id": "$session", "model_id": "$model", "status": "SESSION_STATUS_ACTIVE"}],
                }
            }
        ),
        _CHATTING,
    ),
]

_SESSIONS = [
    Case(
        "a session is opened",
        f"{_SERVICE}/CreateSession",
        _NEW_SESSION,
        Reply(
            {
                "session": {
                    "id": UUID,
                    "conversation_id": "$conversation",
                    "model_id": "$model",
                    "status": "SESSION_STATUS_ACTIVE",
                    "created_at": MOMENT,
                    "updated_at": MOMENT,
                }
            }
        ),
        (_MADE, _MODEL),
    ),
    Case(
        "a session with a model that nobody offers is refused",
        f"{_SERVICE}/CreateSession",
        {**_HERE, "session": {"conversation_id": "$conversation", "model_id": UNKNOWN_ID}},
        Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400),
        (_MADE,),
    ),
    _bad(
        "ids that are none",
        f"{_SERVICE}/CreateSession",
        {**_HERE, "session": {"conversation_id": "talk", "model_id": "gpt"}},
        "session.conversation_id",
        "session.model_id",
    ),
]

_CHATS = [
    Case(
        "an answer starts, comes and ends",
        f"{_SERVICE}/StreamChat",
        _chat("Hi"),
        Stream(
            begins=({"start": {"message_id": UUID}}, {"content": {"content": "You said: Hi"}}),
            ends=({"end": {"message_id": UUID}},),
        ),
        _CHATTING,
    ),
    Case(
        "a failed run is an error with the run's reason",
        f"{_SERVICE}/StreamChat",
        _chat("fail CONTEXT_TOO_LONG"),
        Refused("FAILED_PRECONDITION", "CONTEXT_TOO_LONG", 400),
        _CHATTING,
    ),
    Case(
        "an absent session is not found",
        f"{_SERVICE}/StreamChat",
        _chat("Hi", UNKNOWN_ID),
        Refused("NOT_FOUND", "SESSION_NOT_FOUND", 404),
    ),
    Case(
        "another user's session is not found",
        f"{_SERVICE}/StreamChat",
        _chat("Hi"),
        Refused("NOT_FOUND", "SESSION_NOT_FOUND", 404),
        _CHATTING,
        BERT,
    ),
    _bad("no text", f"{_SERVICE}/StreamChat", _chat("", UNKNOWN_ID), "chat.message"),
]

_MESSAGES = [
    Case(
        "messages are listed with their session and model",
        f"{_SERVICE}/ListMessages",
        _OF_ONE,
        Reply(
            {
                "messages": [
                    {
                        "id": UUID,
                        "chat_session_id": "$session",
                        "role": "ROLE_USER",
                        "content": "Hi",
                        "model_id": ABSENT,
                        "token_used": ABSENT,
                        "created_at": MOMENT,
                    },
                    {
                        "chat_session_id": "$session",
                        "role": "ROLE_ASSISTANT",
                        "content": "You said: Hi",
                        "model_id": "$model",
                        "token_used": 7,
                    },
                ],
                "total": 2,
                "limit": 20,
                "offset": 0,
                "has_more": False,
            }
        ),
        (*_CHATTING, _said("Hi")),
    ),
    Case(
        "a window of the newest messages",
        f"{_SERVICE}/ListMessages",
        {**_OF_ONE, "limit": 1, "offset": 1, "order": "ORDER_DESC"},
        Reply({"messages": [{"content": "Hi"}], "total": 2, "limit": 1, "offset": 1, "has_more": False}),
        (*_CHATTING, _said("Hi")),
    ),
    Case(
        "a window of the oldest messages has more behind it",
        f"{_SERVICE}/ListMessages",
        {**_OF_ONE, "limit": 1},
        Reply({"messages": [{"content": "Hi"}], "has_more": True}),
        (*_CHATTING, _said("Hi")),
    ),
    _bad(
        "a window that is none",
        f"{_SERVICE}/ListMessages",
        {**_HERE, "conversation_id": UNKNOWN_ID, "limit": 0, "offset": -1},
        "limit",
        "offset",
    ),
    Case(
        "an order that is none",
        f"{_SERVICE}/ListMessages",
        {**_HERE, "conversation_id": UNKNOWN_ID, "order": 7},
        # A query parameter must name a known number: over HTTP the gateway says so, with a reason of its own.
        Refused("INVALID_ARGUMENT", Matching("INVALID_.*"), 400, ("order",)),
    ),
]

_OTHERS = [
    Case(
        "the default organization is there from the start",
        _ORGANIZATIONS,
        {},
        Reply({"organizations": [{"id": "$organization", "role": "Owner", "created_at": MOMENT}]}),
    ),
    Case(
        "who comes later is a member",
        _ORGANIZATIONS,
        {},
        Reply({"organizations": [{"id": "$organization", "role": "Member"}]}),
        (Call(_ORGANIZATIONS, {}),),
        BERT,
    ),
    Case(
        "models are listed, the default one first",
        _MODELS,
        _HERE,
        Reply(
            {
                "models": [
                    {
                        "id": UUID,
                        "name": "first",
                        "provider": "scripted",
                        "version": ABSENT,
                        "is_active": True,
                        "config": {},
                    },
                    {"name": "second"},
                ]
            }
        ),
    ),
]

_OF_AN_ORGANIZATION: dict[str, Json] = {
    f"{_SERVICE}/CreateConversation": {"conversation": {"title": "A talk"}},
    f"{_SERVICE}/CreateSession": {"session": {"conversation_id": UNKNOWN_ID, "model_id": UNKNOWN_ID}},
    f"{_SERVICE}/StreamChat": {"chat": {"chat_session_id": UNKNOWN_ID, "message": "Hi"}},
    f"{_SERVICE}/ListConversations": {},
    f"{_SERVICE}/GetConversationWithSessions": {"conversation_id": UNKNOWN_ID},
    f"{_SERVICE}/ListMessages": {"conversation_id": UNKNOWN_ID},
    _MODELS: {},
}
_ACCESS = [
    case
    for rpc, request in _OF_AN_ORGANIZATION.items()
    for case in (
        Case(f"{rpc}: another tenant's organization", rpc, {**_HERE, **request}, _NOT_A_MEMBER, caller=STRANGER),
        Case(f"{rpc}: an absent organization", rpc, {"org_id": UNKNOWN_ID, **request}, _NOT_A_MEMBER),
        _bad("an organization that is none", rpc, {"org_id": "acme", **request}, "org_id"),
    )
]
_FOREIGN = [
    Case(f"{rpc}: another user's conversation is not found", rpc, request, _NOT_FOUND, (_MADE, _MODEL), BERT)
    for rpc, request in [
        (f"{_SERVICE}/CreateSession", _NEW_SESSION),
        (f"{_SERVICE}/GetConversationWithSessions", _OF_ONE),
        (f"{_SERVICE}/ListMessages", _OF_ONE),
    ]
]

CASES = [*_CONVERSATIONS, *_SESSIONS, *_CHATS, *_MESSAGES, *_OTHERS, *_ACCESS, *_FOREIGN]
