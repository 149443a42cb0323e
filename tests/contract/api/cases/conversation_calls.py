"""Calls and requests that the cases of `parley.conversations.v1` are made of."""

from dataclasses import replace

from tests.contract.api.case import BERT, Call, Case, Json, Matching, Refused

PACKAGE = "parley.conversations.v1"
SERVICE = f"{PACKAGE}.ConversationService"
MODELS = f"{PACKAGE}.ModelService/ListModels"
NOT_A_MEMBER = Refused("PERMISSION_DENIED", "NOT_A_MEMBER", 403)
NOT_FOUND = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
HERE: Json = {"org_id": "$organization"}
MADE = Call(
    f"{SERVICE}/CreateConversation",
    {**HERE, "conversation": {"title": "A talk"}},
    keep={"conversation": "conversation.id"},
)
MODEL = Call(MODELS, HERE, keep={"model": "models.1.id"})
NEW_SESSION: Json = {**HERE, "session": {"conversation_id": "$conversation", "model_id": "$model"}}
OPENED = Call(f"{SERVICE}/CreateSession", NEW_SESSION, keep={"session": "session.id"})
REMOVED = Call(f"{SERVICE}/RemoveConversation", {**HERE, "conversation_id": "$conversation"})
CHATTING = (MADE, MODEL, OPENED)
BARE_SESSION: Json = {"conversation_id": "$conversation"}
OTHER = Call(f"{PACKAGE}.OrganizationService/CreateOrganization", {"name": "Other"}, keep={"other": "organization.id"})
PLACE = Matching(r"run_[0-9a-f]{32}:1:\d+")
"""The `id` of an event of a first attempt."""
OF_ONE: Json = {**HERE, "conversation_id": "$conversation"}


def chat(message: str, session: str = "$session") -> Json:
    return {**HERE, "chat": {"chat_session_id": session, "message": message}}


def said(message: str) -> Call:
    return Call(f"{SERVICE}/StreamChat", chat(message))


SEEN = Call(f"{SERVICE}/StreamChat", chat("Hi"), keep={"seen": "id"})
"""A stream that is seen to its end."""

_AS_BERT = [replace(call, caller=BERT) for call in (*CHATTING, SEEN)]
GUEST = (
    Call(f"{PACKAGE}.OrganizationService/ListOrganizations", {}),
    *_AS_BERT,
    Call(f"{PACKAGE}.OrganizationService/SetMember", {**HERE, "member": {"user": "bert", "role": "MEMBER_ROLE_GUEST"}}),
)
"""Bert chats, and becomes a Guest of the organization then."""
NAMED = Call(
    "parley.v1.RunService/ListRuns", {"conversation_key": "$conversation"}, keep={"run": "runs.0.id"}, caller=BERT
)
"""The id of Bert's run."""


def bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return Case(f"{rpc}: {name}", rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields))
