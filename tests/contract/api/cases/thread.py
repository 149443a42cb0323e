"""`parley.v1.ThreadService`."""

from tests.contract.api.case import (
    ABSENT,
    BERT,
    MOMENT,
    STRANGER,
    TOKEN,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Refused,
    Reply,
)

_THREADS = "parley.v1.ThreadService"
_RUNS = "parley.v1.RunService"
_NOT_FOUND = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_TALK: Json = {"conversation_key": "talk"}
_THREAD: Json = {
    "id": UUID,
    "conversation_key": "talk",
    "name": "talk",
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "status": "THREAD_STATUS_IDLE",
    "archived": False,
}


def _made(key: str = "talk", **fields: object) -> Call:
    return Call(f"{_THREADS}/CreateThread", {"conversation_key": key, **fields})


def _said(content: str, key: str = "talk", rpc: str = "Generate") -> Call:
    return Call(f"{_RUNS}/{rpc}", {"conversation_key": key, "user_message": {"content": content}})


_SHOW_MAP: Json = {
    "name": "show-map",
    "description": "Shows a map.",
    "input_schema": {"type": "object", "properties": {"zoom": {"type": "integer", "maximum": 20}}},
}


def _settings(**changes: object) -> Call:
    return Call(f"{_THREADS}/UpdateSettings", {**_TALK, "settings": changes})


def _bad(name: str, method: str, request: Json, *fields: str) -> Case:
    refused = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields)
    return Case(f"{method}: {name}", f"{_THREADS}/{method}", request, refused)


_CREATE = [
    Case(
        "a thread is made with name and key",
        f"{_THREADS}/CreateThread",
        {"name": "A talk", "conversation_key": "talk"},
        Reply({**_THREAD, "name": "A talk"}),
    ),
    Case("the name defaults to the key", f"{_THREADS}/CreateThread", _TALK, Reply(_THREAD)),
    Case("the key defaults to the id", f"{_THREADS}/CreateThread", {}, Reply({"id": UUID, "conversation_key": UUID})),
    Case(
        "a key is taken once",
        f"{_THREADS}/CreateThread",
        _TALK,
        Refused("ALREADY_EXISTS", "CONVERSATION_KEY_TAKEN", 409),
        before=(_made(),),
    ),
    Case(
        "another user may take the same key", f"{_THREADS}/CreateThread", _TALK, Reply(_THREAD), (_made(),), caller=BERT
    ),
    Case(
        "a name that the operator does not allow is refused",
        f"{_THREADS}/CreateThread",
        {"name": "Unspeakable", "conversation_key": "talk"},
        Refused("INVALID_ARGUMENT", "CONTENT_REFUSED", 400),
    ),
    _bad("a long name", "CreateThread", {"name": "x" * 256}, "name"),
    _bad("a long key", "CreateThread", {"conversation_key": "x" * 256}, "conversation_key"),
]

_GET = [
    Case("a thread is shown", f"{_THREADS}/GetThread", _TALK, Reply(_THREAD), (_made(),)),
    Case(
        "a thread with an active run is running",
        f"{_THREADS}/GetThread",
        _TALK,
        Reply({"status": "THREAD_STATUS_RUNNING"}),
        (_made(), _said("hold", rpc="SendMessage")),
    ),
    Case(
        "on behalf of its owner a thread is shown",
        f"{_THREADS}/GetThread",
        _TALK,
        Reply(_THREAD),
        (_made(),),
        caller=Caller(user="service", on_behalf_of="anna"),
    ),
    _bad("no key", "GetThread", {}, "conversation_key"),
]

_LIST = [
    Case(
        "nobody has threads at first",
        f"{_THREADS}/ListThreads",
        {},
        Reply({"threads": [], "next_page_token": ABSENT}),
    ),
    Case(
        "threads are listed, the last updated first, archived ones left out",
        f"{_THREADS}/ListThreads",
        {},
        Reply({"threads": [{"conversation_key": "one"}, {"conversation_key": "two"}], "next_page_token": ABSENT}),
        (
            _made("one"),
            _made("two"),
            _made("three"),
            Call(f"{_THREADS}/UpdateThread", {"conversation_key": "three", "archived": True}),
            Call(f"{_THREADS}/UpdateThread", {"conversation_key": "one", "name": "first"}),
        ),
    ),
    Case(
        "archived threads are listed when asked for",
        f"{_THREADS}/ListThreads",
        {"include_archived": True},
        Reply({"threads": [{"conversation_key": "talk", "archived": True}]}),
        (_made(), Call(f"{_THREADS}/UpdateThread", {**_TALK, "archived": True})),
    ),
    Case(
        "a page says how to ask for the next",
        f"{_THREADS}/ListThreads",
        {"page_size": 1},
        Reply({"threads": [{"conversation_key": "two"}], "next_page_token": TOKEN}),
        (_made("one"), _made("two")),
    ),
    Case(
        "the next page is the last",
        f"{_THREADS}/ListThreads",
        {"page_size": 1, "page_token": "$token"},
        Reply({"threads": [{"conversation_key": "one"}], "next_page_token": ABSENT}),
        (
            _made("one"),
            _made("two"),
            Call(f"{_THREADS}/ListThreads", {"page_size": 1}, keep={"token": "next_page_token"}),
        ),
    ),
    Case(
        "a token of another list is refused",
        f"{_THREADS}/ListThreads",
        {"page_size": 1, "page_token": "bm90IGEgdG9rZW4"},
        Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400),
    ),
    _bad("a negative page", "ListThreads", {"page_size": -1}, "page_size"),
    _bad("too large a page", "ListThreads", {"page_size": 1001}, "page_size"),
]

_UPDATE = [
    Case(
        "only what is given is changed",
        f"{_THREADS}/UpdateThread",
        {**_TALK, "archived": True},
        Reply({**_THREAD, "name": "A talk", "archived": True}),
        (_made(name="A talk"),),
    ),
    Case(
        "a thread is renamed",
        f"{_THREADS}/UpdateThread",
        {**_TALK, "name": "New"},
        Reply({**_THREAD, "name": "New"}),
        (_made(),),
    ),
    _bad("an empty name", "UpdateThread", {**_TALK, "name": ""}, "name"),
]

_DELETE = [
    Case("a thread is destroyed", f"{_THREADS}/DeleteThread", _TALK, Reply({"id": UUID}), (_made(),)),
    Case(
        "what is destroyed is not found",
        f"{_THREADS}/DeleteThread",
        _TALK,
        _NOT_FOUND,
        (_made(), Call(f"{_THREADS}/DeleteThread", _TALK)),
    ),
    Case(
        "a thread with an active run is destroyed",
        f"{_THREADS}/DeleteThread",
        _TALK,
        Reply({"id": UUID}),
        (_made(), _said("hold", rpc="SendMessage")),
    ),
]

_STATE = [
    Case(
        "the state of a new thread has every default",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply(
            {
                **_THREAD,
                "messages": [],
                "generation_config": {"model": ABSENT, "temperature": ABSENT, "max_tokens": ABSENT, "top_p": ABSENT},
                "settings": {"system_prompt": ABSENT, "interrupt_policy": "INTERRUPT_POLICY_QUEUE"},
                "context_management_settings": {
                    "strategy": "CONTEXT_STRATEGY_SLIDING_WINDOW",
                    "max_history_messages": 100,
                },
                "pending_tool_approvals": [],
                "active_run": ABSENT,
                "queued_messages": [],
                "compaction_history": [],
                "last_sequence": "0",
            }
        ),
        (_made(),),
    ),
    Case(
        "the state after an answer holds both messages",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply(
            {
                "status": "THREAD_STATUS_IDLE",
                "active_run": ABSENT,
                "messages": [
                    {
                        "id": UUID,
                        "role": "ROLE_USER",
                        "content": "Hi",
                        "created_at": MOMENT,
                        "status": "MESSAGE_STATUS_COMPLETE",
                        "model": ABSENT,
                        "usage": ABSENT,
                        "tool_calls": [],
                    },
                    {
                        "role": "ROLE_ASSISTANT",
                        "content": "You said: Hi",
                        "model": "first",
                        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
                        "status": "MESSAGE_STATUS_COMPLETE",
                    },
                ],
            }
        ),
        (_made(), _said("Hi")),
    ),
    Case(
        "the state while a run is active shows it and what waits",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply(
            {
                "status": "THREAD_STATUS_RUNNING",
                "active_run": {"status": "RUN_STATUS_RUNNING", "conversation_key": "talk", "error": ABSENT},
                "messages": [{"content": "hold"}],
                "queued_messages": [{"content": "Hi", "role": "ROLE_USER", "status": "MESSAGE_STATUS_QUEUED"}],
            }
        ),
        (_made(), _said("hold", rpc="SendMessage"), _said("Hi", rpc="SendMessage")),
    ),
]

_MESSAGES = [
    Case(
        "messages come in order, a page at a time",
        f"{_THREADS}/ListMessages",
        {**_TALK, "page_size": 3},
        Reply(
            {
                "messages": [{"content": "One"}, {"content": "You said: One"}, {"content": "Two"}],
                "next_page_token": TOKEN,
            }
        ),
        (_made(), _said("One"), _said("Two")),
    ),
    Case(
        "the last page of messages has no next",
        f"{_THREADS}/ListMessages",
        {**_TALK, "page_size": 3, "page_token": "$token"},
        Reply({"messages": [{"content": "You said: Two"}], "next_page_token": ABSENT}),
        (
            _made(),
            _said("One"),
            _said("Two"),
            Call(f"{_THREADS}/ListMessages", {**_TALK, "page_size": 3}, keep={"token": "next_page_token"}),
        ),
    ),
    Case(
        "a token of another thread is refused",
        f"{_THREADS}/ListMessages",
        {"conversation_key": "other", "page_token": "$token"},
        Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400),
        (
            _made(),
            _made("other"),
            _said("One"),
            Call(f"{_THREADS}/ListMessages", {**_TALK, "page_size": 1}, keep={"token": "next_page_token"}),
        ),
    ),
]

_CONFIGURE = [
    Case(
        "a configuration is set field by field",
        f"{_THREADS}/UpdateDefaultGenerationConfig",
        {**_TALK, "generation_config": {"temperature": 0.0, "max_tokens": 9}},
        Reply({"generation_config": {"model": "second", "temperature": 0.0, "max_tokens": 9, "top_p": ABSENT}}),
        (
            _made(),
            Call(
                f"{_THREADS}/UpdateDefaultGenerationConfig",
                {**_TALK, "generation_config": {"model": "second", "temperature": 1.5}},
            ),
        ),
    ),
    Case(
        "a model that nobody offers is refused",
        f"{_THREADS}/UpdateDefaultGenerationConfig",
        {**_TALK, "generation_config": {"model": "nobody/nothing"}},
        Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400),
        (_made(),),
    ),
    _bad(
        "values out of range",
        "UpdateDefaultGenerationConfig",
        {**_TALK, "generation_config": {"model": "", "temperature": 2.1, "max_tokens": 0, "top_p": -0.1}},
        "generation_config.model",
        "generation_config.temperature",
        "generation_config.max_tokens",
        "generation_config.top_p",
    ),
    _bad("no configuration", "UpdateDefaultGenerationConfig", _TALK, "generation_config"),
    Case(
        "settings are set field by field",
        f"{_THREADS}/UpdateSettings",
        {**_TALK, "settings": {"interrupt_policy": "INTERRUPT_POLICY_INTERRUPT"}},
        Reply({"settings": {"system_prompt": "Be brief.", "interrupt_policy": "INTERRUPT_POLICY_INTERRUPT"}}),
        (_made(), Call(f"{_THREADS}/UpdateSettings", {**_TALK, "settings": {"system_prompt": "Be brief."}})),
    ),
    Case(
        "an empty system prompt removes it",
        f"{_THREADS}/UpdateSettings",
        {**_TALK, "settings": {"system_prompt": ""}},
        Reply({"settings": {"system_prompt": ABSENT, "interrupt_policy": "INTERRUPT_POLICY_QUEUE"}}),
        (_made(), Call(f"{_THREADS}/UpdateSettings", {**_TALK, "settings": {"system_prompt": "Be brief."}})),
    ),
    Case(
        "tools of the client are set as a whole",
        f"{_THREADS}/UpdateSettings",
        {**_TALK, "settings": {"client_tools": {"tools": [_SHOW_MAP]}}},
        Reply({"settings": {"system_prompt": "Be brief.", "client_tools": {"tools": [_SHOW_MAP]}}}),
        (_made(), _settings(system_prompt="Be brief.", client_tools={"tools": [{"name": "beep"}]})),
    ),
    Case(
        "lists that an update does not name stay",
        f"{_THREADS}/UpdateSettings",
        {**_TALK, "settings": {"system_prompt": "Be brief."}},
        Reply({"settings": {"client_tools": {"tools": [{"name": "beep", "input_schema": {"type": "object"}}]}}}),
        (_made(), _settings(client_tools={"tools": [{"name": "beep"}]})),
    ),
    Case(
        "an empty list empties",
        f"{_THREADS}/UpdateSettings",
        {**_TALK, "settings": {"client_tools": {}, "mcp_servers": {}}},
        Reply({"settings": {"client_tools": {"tools": []}, "mcp_servers": {"names": []}}}),
        (_made(), _settings(client_tools={"tools": [{"name": "beep"}]})),
    ),
    _bad(
        "tools of the client with names that are none",
        "UpdateSettings",
        {**_TALK, "settings": {"client_tools": {"tools": [{"name": "a__b"}, {"name": "é"}, {"name": ""}]}}},
        "settings.client_tools.tools[0].name",
        "settings.client_tools.tools[1].name",
        "settings.client_tools.tools[2].name",
    ),
    _bad(
        "two tools of the client of one name",
        "UpdateSettings",
        {**_TALK, "settings": {"client_tools": {"tools": [{"name": "beep"}, {"name": "beep"}]}}},
        "settings.client_tools.tools",
    ),
    _bad(
        "a system prompt over 64 KiB and an unknown policy",
        "UpdateSettings",
        {**_TALK, "settings": {"system_prompt": "x" * 65537, "interrupt_policy": 7}},
        "settings.system_prompt",
        "settings.interrupt_policy",
    ),
    _bad("no settings", "UpdateSettings", _TALK, "settings"),
    Case(
        "the window is set field by field",
        f"{_THREADS}/UpdateContextManagementSettings",
        {**_TALK, "context_management_settings": {"max_history_messages": 5}},
        Reply({"context_management_settings": {"strategy": "CONTEXT_STRATEGY_SUMMARIZE", "max_history_messages": 5}}),
        (
            _made(),
            Call(
                f"{_THREADS}/UpdateContextManagementSettings",
                {**_TALK, "context_management_settings": {"strategy": "CONTEXT_STRATEGY_SUMMARIZE"}},
            ),
        ),
    ),
    _bad(
        "an empty window and an unknown strategy",
        "UpdateContextManagementSettings",
        {**_TALK, "context_management_settings": {"strategy": 7, "max_history_messages": 0}},
        "context_management_settings.strategy",
        "context_management_settings.max_history_messages",
    ),
    _bad("no window", "UpdateContextManagementSettings", _TALK, "context_management_settings"),
]

_OF_ONE_THREAD: dict[str, Json] = {
    "GetThread": _TALK,
    "UpdateThread": {**_TALK, "name": "Mine"},
    "DeleteThread": _TALK,
    "GetConversationState": _TALK,
    "ListMessages": _TALK,
    "UpdateDefaultGenerationConfig": {**_TALK, "generation_config": {"temperature": 1}},
    "UpdateSettings": {**_TALK, "settings": {"system_prompt": "Obey."}},
    "UpdateContextManagementSettings": {**_TALK, "context_management_settings": {"max_history_messages": 1}},
}
_FOREIGN = [
    Case(f"{method}: {whose} thread is not found", f"{_THREADS}/{method}", request, _NOT_FOUND, (_made(),), caller)
    for method, request in _OF_ONE_THREAD.items()
    for whose, caller in [("another user's", BERT), ("another tenant's", STRANGER)]
]

CASES = [*_CREATE, *_GET, *_LIST, *_UPDATE, *_DELETE, *_STATE, *_MESSAGES, *_CONFIGURE, *_FOREIGN]
