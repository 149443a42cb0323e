"""The kinds of things that fields name: how somebody comes to have one, and what the name of one looks like that
nobody has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.contract.api.case import UNKNOWN_ID, Call, Caller, Json

MARK: Final = "Lapislazuli"
"""Stands in everything that a victim has, and in nothing else."""

_THREADS, _RUNS, _KEYS = "parley.v1.ThreadService", "parley.v1.RunService", "parley.v1.KeyService"
_MEMORIES: Final = "parley.v1.MemoryService"
_CONVERSATIONS: Final = "parley.conversations.v1"
_TALK: Final = {"conversation_key": "$key"}
_BEEPER: Final = {"name": "beep", "input_schema": {"type": "object"}, "description": MARK}
_SERVANT: Final = Caller(user="servant")


@dataclass(frozen=True, slots=True)
class Kind:
    """Things of one kind. Calls are made by the victim, but for those of a servant, who acts in the victim's name;
    `$key` is a conversation key that tells the victim's name, `$who` that name."""

    calls: tuple[Call, ...]
    name: str
    """Where its name was kept."""
    missing: str
    """A name of the same form and length that nothing has."""
    shape: Callable[[str], Any] = str
    """The field's value from the name."""
    tenant_knows: str = ""
    """Why it is no secret within the tenant, if so: then a colleague's is not played."""


def _said(content: str) -> Call:
    message = {**_TALK, "user_message": {"content": f"{content} {MARK}"}, "request_id": "$request"}
    return Call(f"{_RUNS}/Generate", message, keep={"run": "run_id"})


def _parked(content: str, until: str = "run_paused") -> Call:
    message = {**_TALK, "user_message": {"content": content}}
    return Call(f"{_RUNS}/Generate", message, keep={"call": "tool_call_requested.tool_call_id"}, until=until)


def _made(name: str) -> Call:
    return Call(
        f"{_KEYS}/CreateKey",
        {"name": f"{MARK} {name}", "permissions": ["conversations:read"]},
        {"api_key": "result.key_id"},
    )


def _remembered(text: str) -> Call:
    return Call(f"{_MEMORIES}/AddMemory", {"memory": f"{MARK} {text}"}, keep={"memory": "id"})


_THREAD = Call(f"{_THREADS}/CreateThread", {**_TALK, "name": MARK})
_TALKED = (_THREAD, _said("One"))
_TOOLS = Call(
    f"{_THREADS}/UpdateSettings",
    {**_TALK, "settings": {"mcp_servers": {"names": ["desk"]}, "client_tools": {"tools": [_BEEPER]}}},
)
_LISTED = Call(f"{_THREADS}/ListMessages", _TALK, keep={"message": "messages.0.id"})
_CONVERSATION = Call(
    f"{_CONVERSATIONS}.ConversationService/CreateConversation",
    {"org_id": "$organization", "conversation": {"title": MARK}},
    keep={"conversation": "conversation.id"},
)
_MODEL = Call(f"{_CONVERSATIONS}.ModelService/ListModels", {"org_id": "$organization"}, keep={"model": "models.1.id"})
_SESSION = Call(
    f"{_CONVERSATIONS}.ConversationService/CreateSession",
    {"org_id": "$organization", "session": {"conversation_id": "$conversation", "model_id": "$model"}},
    keep={"session": "session.id"},
)
_CHAT: Json = {"org_id": "$organization", "chat": {"chat_session_id": "$session", "message": MARK}}
_CLUB = Call(
    f"{_CONVERSATIONS}.OrganizationService/CreateOrganization",
    {"name": "$club"},
    keep={"organization": "organization.id"},
)
_NO_RUN: Final = "run_" + "0" * 32
_NO_CALL: Final = "call_" + "0" * 32
_NO_EVENT: Final = f"{_NO_RUN}:1:2"

CONVERSATION = Kind((_CONVERSATION,), "conversation", UNKNOWN_ID)
CONVERSATION_FILTER = Kind((_CONVERSATION,), "conversation", UNKNOWN_ID, lambda name: ["id", "==", name])
KEY_OF_THREAD = Kind(_TALKED, "key", "talk-of-nora")
MESSAGE = Kind((*_TALKED, _LISTED), "message", UNKNOWN_ID)
RUN = Kind(_TALKED, "run", _NO_RUN)
REQUEST = Kind(_TALKED, "request", "request-of-nora")
WAITS_FOR_APPROVAL = Kind((_THREAD, _TOOLS, _parked("/call desk__fails {}")), "call", _NO_CALL)
WAITS_FOR_CLIENT = Kind((_THREAD, _TOOLS, _parked("/call beep {}")), "call", _NO_CALL)
FILE = Kind(
    (
        _THREAD,
        Call(f"{_RUNS}/Generate", {**_TALK, "user_message": {"content": MARK}, "image": True}),
        Call(f"{_THREADS}/ListMessages", _TALK, keep={"file": "messages.1.image.file_id"}),
    ),
    "file",
    UNKNOWN_ID,
)
MEMORY = Kind((_remembered("one"),), "memory", UNKNOWN_ID)
_FILES: Final = "parley.v1.FileService"
_FILED: Final = Call(f"{_FILES}/UploadFile", {"name": f"{MARK}.txt"}, keep={"file": "file_id"})
_FOLDED: Final = Call(f"{_FILES}/CreateFolder", {"name": MARK}, keep={"folder": "folder_id"})
STORED_FILE = Kind((_FILED,), "file", UNKNOWN_ID)
FOLDER = Kind((_FOLDED,), "folder", UNKNOWN_ID)
API_KEY = Kind((_made("one"),), "api_key", UNKNOWN_ID)
SESSION = Kind((_CONVERSATION, _MODEL, _SESSION), "session", UNKNOWN_ID)
ORGANIZATION = Kind((_CLUB,), "organization", UNKNOWN_ID)
MODEL = Kind(
    (
        _CLUB,
        Call(
            f"{_CONVERSATIONS}.ModelService/AddModel",
            {"org_id": "$organization", "model": {"provider": "scripted", "name": MARK}},
            keep={"model": "model.id"},
        ),
    ),
    "model",
    UNKNOWN_ID,
)
USER = Kind((_THREAD,), "who", "nora", tenant_knows="colleagues see each other's names, and work together")
IN_AUDIT = Kind((_made("one"),), "api_key", UNKNOWN_ID, tenant_knows="who may read the audit reads the tenant's")
ERASURE = Kind(
    (
        Call(f"{_THREADS}/CreateThread", {**_TALK, "name": MARK}, caller=_SERVANT),
        Call(
            "parley.v1.DataService/EraseUser",
            {"user": "servant", "confirm_user": "servant"},
            keep={"erasure": "erasure_id"},
        ),
    ),
    "erasure",
    UNKNOWN_ID,
    tenant_knows="who may have users erased reads of the tenant's erasures",
)
CURSOR_OF_EXPORT = Kind(
    (_THREAD, Call("parley.v1.DataService/ExportData", {}, keep={"page": "cursor"}, until="record")), "page", ""
)
_HOOKS: Final = "parley.v1.WebhookService"
_HOOKED: Final = Call(
    f"{_HOOKS}/CreateWebhook",
    {"url": "https://hooks.invalid/", "description": MARK},
    keep={"webhook": "webhook.id"},
)
_HOOK: Final = {"webhook_id": "$webhook"}
_PINGED: Final = Call(f"{_HOOKS}/PingWebhook", _HOOK, keep={"delivery": "delivery_id"})
_ADMINISTRATORS: Final = "webhooks are the tenant's, and whoever may see them sees all of them"
WEBHOOK = Kind((_HOOKED, _PINGED), "webhook", UNKNOWN_ID, tenant_knows=_ADMINISTRATORS)
DELIVERY = Kind((_HOOKED, _PINGED), "delivery", UNKNOWN_ID, tenant_knows=_ADMINISTRATORS)
EVENT_OF_ARCHIVE = Kind(
    (Call("parley.archive.v3.ArchiveService/StreamChat", {"message": MARK}, keep={"seen": "id"}),), "seen", _NO_EVENT
)
EVENT_OF_CHAT = Kind(
    (Call("parley.chat.v1.ChatService/StreamPrompt", {"message": MARK}, keep={"seen": "id"}),), "seen", _NO_EVENT
)
EVENT_OF_SESSION = Kind(
    (
        *(_CONVERSATION, _MODEL, _SESSION),
        Call(f"{_CONVERSATIONS}.ConversationService/StreamChat", _CHAT, keep={"seen": "id"}),
    ),
    "seen",
    _NO_EVENT,
)


def page(rpc: str, request: Json, *calls: Call, token: str = "next_page_token", tenant_knows: str = "") -> Kind:
    """The token of the second page of a list of that RPC; an absent one is the same with other ids in it."""
    first = Call(rpc, {**request, "page_size": 1}, keep={"page": token})
    return Kind((*calls, first), "page", "", tenant_knows=tenant_knows)


PAGE_OF_THREADS = page(
    f"{_THREADS}/ListThreads",
    {},
    _THREAD,
    Call(f"{_THREADS}/CreateThread", {"conversation_key": "$other", "name": MARK}),
)
PAGE_OF_MESSAGES = page(f"{_THREADS}/ListMessages", _TALK, *_TALKED)
PAGE_OF_BRANCHES = page(
    f"{_THREADS}/ListBranches",
    _TALK,
    *(*_TALKED, _LISTED),
    Call(
        f"{_RUNS}/EditMessage",
        {**_TALK, "message_id": "$message", "user_message": {"content": MARK}},
        keep={"edit": "run_id"},
    ),
    Call(f"{_RUNS}/StreamRun", {"run_id": "$edit"}),
)
PAGE_OF_RUNS = page(
    f"{_RUNS}/ListRuns", _TALK, *_TALKED, Call(f"{_RUNS}/Generate", {**_TALK, "user_message": {"content": MARK}})
)
PAGE_OF_PROMPTS = page(
    f"{_RUNS}/GetRunPrompt", {"run_id": "$run"}, _THREAD, _TOOLS, _said('/call desk__sum {"of": [1]}\n')
)
PAGE_OF_KEYS = page(f"{_KEYS}/ListKeys", {}, _made("one"), _made("two"), token="result.next_page_token")
PAGE_OF_MEMORIES = page(f"{_MEMORIES}/ListMemories", {}, _remembered("one"), _remembered("two"))
PAGE_OF_AUDIT = page(
    "parley.v1.AuditService/ListAuditRecords",
    {"subject": "$who"},
    *(_made("one"), _made("two")),
    tenant_knows="who may read the audit reads the tenant's",
)
PAGE_OF_ACTS = page(
    "parley.v1.AuditService/ListActsOnMyBehalf",
    {},
    Call(f"{_THREADS}/CreateThread", {**_TALK, "name": MARK}, caller=_SERVANT),
    Call(f"{_THREADS}/CreateThread", {"conversation_key": "$other", "name": MARK}, caller=_SERVANT),
)
PAGE_OF_HITS = page("parley.v1.SearchService/SearchMessages", {"query": "BROWN fox"}, _THREAD, _said("The brown fox"))
_DREW = Call(f"{_RUNS}/Generate", {**_TALK, "user_message": {"content": MARK}, "image": True})
PAGE_OF_USAGE = page("parley.v1.UsageService/ListUsage", {}, *_TALKED, _DREW)
PAGE_OF_TENANT_USAGE = page(
    "parley.v1.UsageService/ListTenantUsage",
    {"user": "$who"},
    *(*_TALKED, _DREW),
    tenant_knows="who may read what the tenant used reads everybody's",
)
PAGE_OF_CALLS = page(
    "parley.v1.UsageService/GetRunUsage", {"run_id": "$run"}, _THREAD, _TOOLS, _said('/call desk__sum {"of": [1]}\n')
)
PAGE_OF_FILES = page(f"{_FILES}/ListFiles", {}, _FILED, _FOLDED)
PAGE_OF_WEBHOOKS = page(f"{_HOOKS}/ListWebhooks", {}, _HOOKED, _HOOKED, tenant_knows=_ADMINISTRATORS)
PAGE_OF_DELIVERIES = page(
    f"{_HOOKS}/ListWebhookDeliveries", _HOOK, _HOOKED, _PINGED, _PINGED, tenant_knows=_ADMINISTRATORS
)
