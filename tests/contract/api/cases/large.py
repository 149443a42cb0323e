"""A message of a megabyte through each of the four APIs: it comes in whole, is kept whole, and is answered; once in as
much."""

from typing import Final

from tests.contract.api.case import Call, Case, Json, Reply, Stream
from tests.contract.api.cases.conversation_calls import CHATTING, OF_ONE, SERVICE, chat

_THREADS, _RUNS = "parley.v1.ThreadService", "parley.v1.RunService"
_ARCHIVE, _CHAT = "parley.archive.v3.ArchiveService", "parley.chat.v1.ChatService"
_TALK: Json = {"conversation_key": "talk"}
_MADE = Call(f"{_THREADS}/CreateThread", _TALK)

# Characters of one, two, three and four bytes, and what JSON must escape; no piece of it is like the next.
MEGABYTE: Final = "briefly " + "".join(f'{number} "ä€😀\\\n' for number in range(55_000))
"""A text of a megabyte in UTF-8, no matter where it is cut in two."""
_AT_LENGTH: Final = MEGABYTE.removeprefix("briefly ")
_KEPT: Final = Reply({"messages": [{"content": MEGABYTE}, {"content": "Briefly."}]})

CASES: list[Case] = [
    Case(
        "a message of a megabyte is answered in as much",
        f"{_RUNS}/Generate",
        {**_TALK, "user_message": {"content": _AT_LENGTH}},
        Stream(
            begins=({"run_started": {"message": {"content": _AT_LENGTH}}},),
            ends=(
                {"message_completed": {"message": {"content": f"You said: {_AT_LENGTH}"}}},
                {"run_ended": {"status": "COMPLETED"}},
            ),
        ),
        (_MADE,),
    ),
    Case(
        "a message of a megabyte is in the history",
        f"{SERVICE}/ListMessages",
        OF_ONE,
        _KEPT,
        (*CHATTING, Call(f"{SERVICE}/StreamChat", chat(MEGABYTE))),
    ),
    Case(
        "a message of a megabyte is in the history",
        f"{_ARCHIVE}/GetConversation",
        {"entity_id": "$id"},
        Reply({"conversation": _KEPT.contains}),
        (Call(f"{_ARCHIVE}/Chat", {"message": MEGABYTE}, keep={"id": "conversation_id"}),),
    ),
    Case(
        "a message of a megabyte is in the history",
        f"{_CHAT}/ListMessages",
        {"chat_id": "$id"},
        _KEPT,
        (Call(f"{_CHAT}/Prompt", {"message": MEGABYTE, "generate_title": False}, keep={"id": "chat_id"}),),
    ),
]
