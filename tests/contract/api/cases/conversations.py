"""`parley.conversations.v1.ConversationService`."""

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
from tests.contract.api.cases.conversation_calls import (
    BARE_SESSION,
    CHATTING,
    GUEST,
    HERE,
    MADE,
    MODEL,
    NAMED,
    NEW_SESSION,
    NOT_A_MEMBER,
    NOT_FOUND,
    OF_ONE,
    OTHER,
    PACKAGE,
    PLACE,
    SEEN,
    SERVICE,
    bad,
    chat,
    said,
)

_CONVERSATIONS = [
    Case(
        "a conversation is made",
        f"{SERVICE}/CreateConversation",
        {**HERE, "conversation": {"title": "A talk", "is_archived": True}},
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
    bad(
        "no title",
        f"{SERVICE}/CreateConversation",
        {**HERE, "conversation": {"title": ""}},
        "conversation.title",
    ),
    bad(
        "a long title",
        f"{SERVICE}/CreateConversation",
        {**HERE, "conversation": {"title": "x" * 256}},
        "conversation.title",
    ),
    Case(
        "conversations are listed, the newest first, archived ones and threads included",
        f"{SERVICE}/ListConversations",
        HERE,
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
            MADE,
            Call(f"{SERVICE}/CreateConversation", {**HERE, "conversation": {"title": "Old", "is_archived": True}}),
            Call("parley.v1.ThreadService/CreateThread", {"conversation_key": "talk"}),
        ),
    ),
    Case(
        "nobody sees another's conversations",
        f"{SERVICE}/ListConversations",
        HERE,
        Reply({"conversations": []}),
        (MADE,),
        BERT,
    ),
    Case(
        "a conversation is shown with its sessions",
        f"{SERVICE}/GetConversationWithSessions",
        OF_ONE,
        Reply(
            {
                "conversation": {
                    "id": "$conversation",
                    "title": "A talk",
                    "chat_sessions": [{"id": "$session", "model_id": "$model", "status": "SESSION_STATUS_ACTIVE"}],
                }
            }
        ),
        CHATTING,
    ),
]

_SESSIONS = [
    Case(
        "a session is opened",
        f"{SERVICE}/CreateSession",
        NEW_SESSION,
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
        (MADE, MODEL),
    ),
    Case(
        "a session with a model that nobody offers is refused",
        f"{SERVICE}/CreateSession",
        {**HERE, "session": {"conversation_id": "$conversation", "model_id": UNKNOWN_ID}},
        Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400),
        (MADE,),
    ),
    bad(
        "ids that are none",
        f"{SERVICE}/CreateSession",
        {**HERE, "session": {"conversation_id": "talk", "model_id": "gpt"}},
        "session.conversation_id",
        "session.model_id",
    ),
]

_CHATS = [
    Case(
        "an answer starts, comes and ends",
        f"{SERVICE}/StreamChat",
        chat("Hi"),
        Stream(
            begins=(
                {"id": PLACE, "start": {"message_id": UUID}},
                {"id": PLACE, "content": {"content": "You said: Hi"}},
            ),
            ends=({"id": PLACE, "end": {"message_id": UUID}},),
        ),
        CHATTING,
    ),
    Case(
        "a failed run is an error with the run's reason",
        f"{SERVICE}/StreamChat",
        chat("fail CONTEXT_TOO_LONG"),
        Refused("FAILED_PRECONDITION", "CONTEXT_TOO_LONG", 400),
        CHATTING,
    ),
    Case(
        "an absent session is not found",
        f"{SERVICE}/StreamChat",
        chat("Hi", UNKNOWN_ID),
        Refused("NOT_FOUND", "SESSION_NOT_FOUND", 404),
    ),
    Case(
        "another user's session is not found",
        f"{SERVICE}/StreamChat",
        chat("Hi"),
        Refused("NOT_FOUND", "SESSION_NOT_FOUND", 404),
        CHATTING,
        BERT,
    ),
    Case(
        "a session of another organization's conversation is not found",
        f"{SERVICE}/StreamChat",
        {**chat("Hi"), "org_id": "$other"},
        NOT_FOUND,
        (*CHATTING, OTHER),
    ),
    Case(
        "a stream that was seen whole shows its end again, and nothing is sent",
        f"{SERVICE}/StreamChat",
        {**chat("Hi"), "last_event_id": "$seen"},
        Stream(begins=({"id": "$seen", "end": {"message_id": UUID}},), ends=()),
        (*CHATTING, SEEN),
    ),
    Case(
        "a stream of an unknown run is not found",
        f"{SERVICE}/StreamChat",
        {**chat("Hi", UNKNOWN_ID), "last_event_id": f"run_{'0' * 32}:1:3"},
        Refused("NOT_FOUND", "RUN_NOT_FOUND", 404),
    ),
    Case(
        "another user's stream is not found",
        f"{SERVICE}/StreamChat",
        {**chat("Hi"), "last_event_id": "$seen"},
        Refused("NOT_FOUND", "RUN_NOT_FOUND", 404),
        (*CHATTING, SEEN),
        BERT,
    ),
    Case(
        "who has become a Guest sees to its end what was begun before",
        f"{SERVICE}/StreamChat",
        {**chat("Hi"), "last_event_id": "$run"},
        Stream(
            begins=(
                {"id": PLACE, "start": {"message_id": UUID}},
                {"id": PLACE, "content": {"content": "You said: Hi"}},
            ),
            ends=({"id": PLACE, "end": {"message_id": UUID}},),
        ),
        (*GUEST, NAMED),
        BERT,
    ),
    Case(
        "who has become a Guest goes on behind what was seen",
        f"{SERVICE}/StreamChat",
        {**chat("Hi"), "last_event_id": "$seen"},
        Stream(begins=({"id": "$seen", "end": {"message_id": UUID}},), ends=()),
        GUEST,
        BERT,
    ),
    Case(
        "who has become a Guest says nothing more where there is something to continue",
        f"{SERVICE}/StreamChat",
        chat("Hi"),
        Refused("PERMISSION_DENIED", "ROLE_MISSING", 403),
        GUEST,
        BERT,
    ),
    Case(
        "who was removed sees nothing of what was begun before",
        f"{SERVICE}/StreamChat",
        {**chat("Hi"), "last_event_id": "$seen"},
        NOT_A_MEMBER,
        (*GUEST, Call(f"{PACKAGE}.OrganizationService/RemoveMember", {**HERE, "user": "bert"})),
        BERT,
    ),
    Case(
        "a stream of another organization's conversation is not found",
        f"{SERVICE}/StreamChat",
        {**chat("Hi"), "org_id": "$other", "last_event_id": "$seen"},
        Refused("NOT_FOUND", "RUN_NOT_FOUND", 404),
        (*CHATTING, SEEN, OTHER),
    ),
    bad(
        "a place that is none",
        f"{SERVICE}/StreamChat",
        {**chat("Hi", UNKNOWN_ID), "last_event_id": "7"},
        "last_event_id",
    ),
    bad("no text", f"{SERVICE}/StreamChat", chat("", UNKNOWN_ID), "chat.message"),
]

_MESSAGES = [
    Case(
        "messages are listed with their session and model",
        f"{SERVICE}/ListMessages",
        OF_ONE,
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
        (*CHATTING, said("Hi")),
    ),
    Case(
        "a window of the newest messages",
        f"{SERVICE}/ListMessages",
        {**OF_ONE, "limit": 1, "offset": 1, "order": "ORDER_DESC"},
        Reply({"messages": [{"content": "Hi"}], "total": 2, "limit": 1, "offset": 1, "has_more": False}),
        (*CHATTING, said("Hi")),
    ),
    Case(
        "a window of the oldest messages has more behind it",
        f"{SERVICE}/ListMessages",
        {**OF_ONE, "limit": 1},
        Reply({"messages": [{"content": "Hi"}], "has_more": True}),
        (*CHATTING, said("Hi")),
    ),
    bad(
        "a window that is none",
        f"{SERVICE}/ListMessages",
        {**HERE, "conversation_id": UNKNOWN_ID, "limit": 0, "offset": -1},
        "limit",
        "offset",
    ),
    Case(
        "an order that is none",
        f"{SERVICE}/ListMessages",
        {**HERE, "conversation_id": UNKNOWN_ID, "order": 7},
        # A query parameter must name a known number: over HTTP the gateway says so, with a reason of its own.
        Refused("INVALID_ARGUMENT", Matching("INVALID_.*"), 400, ("order",)),
    ),
]

_OF_AN_ORGANIZATION: dict[str, Json] = {
    f"{SERVICE}/CreateConversation": {"conversation": {"title": "A talk"}},
    f"{SERVICE}/CreateSession": {"session": {"conversation_id": UNKNOWN_ID, "model_id": UNKNOWN_ID}},
    f"{SERVICE}/StreamChat": {"chat": {"chat_session_id": UNKNOWN_ID, "message": "Hi"}},
    f"{SERVICE}/ListConversations": {},
    f"{SERVICE}/GetConversationWithSessions": {"conversation_id": UNKNOWN_ID},
    f"{SERVICE}/ListMessages": {"conversation_id": UNKNOWN_ID},
    f"{SERVICE}/UpdateConversation": {"conversation_id": UNKNOWN_ID, "changes": {}},
    f"{SERVICE}/RemoveConversation": {"conversation_id": UNKNOWN_ID},
}
_ACCESS = [
    case
    for rpc, request in _OF_AN_ORGANIZATION.items()
    for case in (
        Case(f"{rpc}: another tenant's organization", rpc, {**HERE, **request}, NOT_A_MEMBER, caller=STRANGER),
        Case(f"{rpc}: an absent organization", rpc, {"org_id": UNKNOWN_ID, **request}, NOT_A_MEMBER),
        bad("an organization that is none", rpc, {"org_id": "acme", **request}, "org_id"),
        bad("no organization", rpc, request, "org_id"),
    )
]
_FOREIGN = [
    Case(f"{rpc}: another user's conversation is not found", rpc, request, NOT_FOUND, (MADE, MODEL), BERT)
    for rpc, request in [
        (f"{SERVICE}/CreateSession", NEW_SESSION),
        (f"{SERVICE}/GetConversationWithSessions", OF_ONE),
        (f"{SERVICE}/ListMessages", OF_ONE),
        (f"{SERVICE}/UpdateConversation", {**OF_ONE, "changes": {"title": "Mine"}}),
        (f"{SERVICE}/RemoveConversation", OF_ONE),
    ]
] + [
    Case(f"{rpc}: a conversation of another organization is not found", rpc, request, NOT_FOUND, (MADE, OTHER))
    for rpc, request in [
        (f"{SERVICE}/CreateSession", {"org_id": "$other", "session": {**BARE_SESSION, "model_id": UNKNOWN_ID}}),
        (f"{SERVICE}/GetConversationWithSessions", {**OF_ONE, "org_id": "$other"}),
        (f"{SERVICE}/ListMessages", {**OF_ONE, "org_id": "$other"}),
        (f"{SERVICE}/UpdateConversation", {**OF_ONE, "org_id": "$other", "changes": {"title": "Mine"}}),
        (f"{SERVICE}/RemoveConversation", {**OF_ONE, "org_id": "$other"}),
    ]
]

CASES = [*_CONVERSATIONS, *_SESSIONS, *_CHATS, *_MESSAGES, *_ACCESS, *_FOREIGN]
