"""Conversations of an organization changed and removed."""

from tests.contract.api.case import MOMENT, UNKNOWN_ID, Call, Case, Refused, Reply
from tests.contract.api.cases.conversation_calls import (
    CHATTING,
    HERE,
    MADE,
    NOT_FOUND,
    OF_ONE,
    REMOVED,
    SERVICE,
    bad,
    chat,
    said,
)

CASES = [
    Case(
        "what is given of a conversation changes",
        f"{SERVICE}/UpdateConversation",
        {**OF_ONE, "changes": {"title": "Renamed"}},
        Reply(
            {
                "conversation": {
                    "id": "$conversation",
                    "title": "Renamed",
                    "is_archived": True,
                    "created_at": MOMENT,
                    "updated_at": MOMENT,
                }
            }
        ),
        (MADE, Call(f"{SERVICE}/UpdateConversation", {**OF_ONE, "changes": {"is_archived": True}})),
    ),
    Case(
        "a change stays",
        f"{SERVICE}/GetConversationWithSessions",
        OF_ONE,
        Reply({"conversation": {"title": "Renamed", "is_archived": False}}),
        (MADE, Call(f"{SERVICE}/UpdateConversation", {**OF_ONE, "changes": {"title": "Renamed"}})),
    ),
    Case(
        "nothing to change changes nothing",
        f"{SERVICE}/UpdateConversation",
        {**OF_ONE, "changes": {}},
        Reply({"conversation": {"title": "A talk", "is_archived": False}}),
        (MADE,),
    ),
    Case(
        "a thread is changed by its id",
        "parley.v1.ThreadService/GetThread",
        {"conversation_key": "talk"},
        Reply({"name": "Renamed", "archived": True}),
        (
            Call("parley.v1.ThreadService/CreateThread", {"conversation_key": "talk"}, keep={"conversation": "id"}),
            Call(
                f"{SERVICE}/UpdateConversation",
                {**OF_ONE, "changes": {"title": "Renamed", "is_archived": True}},
            ),
        ),
    ),
    bad(
        "a title that is none and an id that is none",
        f"{SERVICE}/UpdateConversation",
        {**HERE, "conversation_id": "talk", "changes": {"title": ""}},
        "conversation_id",
        "changes.title",
    ),
    bad(
        "a long new title",
        f"{SERVICE}/UpdateConversation",
        {**HERE, "conversation_id": UNKNOWN_ID, "changes": {"title": "x" * 256}},
        "changes.title",
    ),
    Case(
        "an absent conversation cannot be changed",
        f"{SERVICE}/UpdateConversation",
        {**HERE, "conversation_id": UNKNOWN_ID, "changes": {"title": "Mine"}},
        NOT_FOUND,
    ),
    Case(
        "a conversation is removed",
        f"{SERVICE}/RemoveConversation",
        OF_ONE,
        Reply({"id": "$conversation"}),
        (*CHATTING, said("Hi")),
    ),
    Case(
        "a removed conversation is not there",
        f"{SERVICE}/ListConversations",
        HERE,
        Reply({"conversations": []}),
        (*CHATTING, said("Hi"), REMOVED),
    ),
    Case(
        "a conversation is removed once",
        f"{SERVICE}/RemoveConversation",
        OF_ONE,
        NOT_FOUND,
        (MADE, REMOVED),
    ),
    Case(
        "sessions go with their conversation",
        f"{SERVICE}/StreamChat",
        chat("Hi"),
        Refused("NOT_FOUND", "SESSION_NOT_FOUND", 404),
        (*CHATTING, REMOVED),
    ),
    bad(
        "no conversation to remove",
        f"{SERVICE}/RemoveConversation",
        HERE,
        "conversation_id",
    ),
]
