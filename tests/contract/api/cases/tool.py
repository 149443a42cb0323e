"""`parley.v1.ToolService`, and how threads and runs show tools."""

from tests.contract.api.case import (
    ABSENT,
    BERT,
    MOMENT,
    RUN_ID,
    STRANGER,
    Call,
    Case,
    Json,
    Matching,
    Refused,
    Reply,
    Stream,
)

_THREADS = "parley.v1.ThreadService"
_RUNS = "parley.v1.RunService"
_TOOLS = "parley.v1.ToolService"
_TALK: Json = {"conversation_key": "talk"}
_MADE = Call(f"{_THREADS}/CreateThread", _TALK)
_CALL_ID = Matching(r"call_[0-9a-f]{32}")
_ABSENT_CALL = "call_" + "0" * 32
_ZONE = '{"timezone": "Europe/Berlin"}'
_NOW = f"/call time__get_current_time {_ZONE}"
_BEEP = '/call beep {"times": 2}'
_BEEPER: Json = {
    "name": "beep",
    "input_schema": {"type": "object", "properties": {"times": {"type": "integer"}}, "required": ["times"]},
}
_CONVERSATION_NOT_FOUND = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_CALL_NOT_FOUND = Refused("NOT_FOUND", "TOOL_CALL_NOT_FOUND", 404)
_DECIDED = Refused("FAILED_PRECONDITION", "TOOL_CALL_DECIDED", 409)
_ENDED = Refused("FAILED_PRECONDITION", "TOOL_CALL_ENDED", 409)


def _settings(**changes: object) -> Call:
    return Call(f"{_THREADS}/UpdateSettings", {**_TALK, "settings": changes})


_READY = (
    _MADE,
    _settings(mcp_servers={"names": ["time"]}, client_tools={"tools": [_BEEPER]}),
)


def _asked(content: str, *, until: str = "run_paused") -> Call:
    return Call(
        f"{_RUNS}/Generate",
        {**_TALK, "user_message": {"content": content}},
        keep={"call": "tool_call_requested.tool_call_id", "run": "run_id", "last": "sequence"},
        until=until,
    )


def _decided(approved: bool, *, reason: str = "") -> Call:
    return Call(f"{_TOOLS}/SubmitToolApprovals", _decision(approved, reason=reason))


def _decision(approved: bool, call: str = "$call", *, reason: str = "") -> Json:
    return {**_TALK, "approvals": [{"tool_call_id": call, "approved": approved, "reason": reason}]}


def _result(text: str, call: str = "$call", **more: object) -> Json:
    return {**_TALK, "tool_results": [{"tool_call_id": call, "result": text, **more}]}


def _bad(name: str, method: str, request: Json, *fields: str, before: tuple[Call, ...] = ()) -> Case:
    refused = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields)
    return Case(f"{method}: {name}", f"{_TOOLS}/{method}", request, refused, before)


_LIST = [
    Case("nothing waits for approval", f"{_TOOLS}/ListPendingApprovals", _TALK, Reply({"approvals": []}), (_MADE,)),
    Case(
        "a call that waits for approval shows what would be called",
        f"{_TOOLS}/ListPendingApprovals",
        _TALK,
        Reply(
            {
                "approvals": [
                    {
                        "tool_call_id": "$call",
                        "run_id": "$run",
                        "server_name": "time",
                        "tool_name": "get_current_time",
                        "arguments": _ZONE,
                        "requested_at": MOMENT,
                        "expires_at": MOMENT,
                    }
                ]
            }
        ),
        (*_READY, _asked(_NOW)),
    ),
]
_APPROVE = [
    Case(
        "an approved call lets its run go on",
        f"{_TOOLS}/SubmitToolApprovals",
        _decision(True),
        Reply(
            {
                "outcomes": [{"tool_call_id": "$call", "state": "TOOL_CALL_STATE_READY"}],
                "run_id": "$run",
                "status": "RUN_STATUS_RUNNING",
            }
        ),
        (*_READY, _asked(_NOW)),
    ),
    Case(
        "a denied call has its end",
        f"{_TOOLS}/SubmitToolApprovals",
        _decision(False, reason="Not now."),
        Reply({"outcomes": [{"state": "TOOL_CALL_STATE_DENIED"}], "status": "RUN_STATUS_RUNNING"}),
        (*_READY, _asked(_NOW)),
    ),
    Case(
        "the others of a batch go on waiting",
        f"{_TOOLS}/SubmitToolApprovals",
        _decision(False),
        Reply({"outcomes": [{"state": "TOOL_CALL_STATE_DENIED"}], "status": "RUN_STATUS_AWAITING_APPROVAL"}),
        (*_READY, _asked(f"{_NOW}\n{_NOW}")),
    ),
    Case(
        "a call is decided once",
        f"{_TOOLS}/SubmitToolApprovals",
        _decision(True),
        _DECIDED,
        (*_READY, _asked(_NOW), _decided(False)),
    ),
    Case(
        "a call of a run that was cancelled is not decided any more",
        f"{_TOOLS}/SubmitToolApprovals",
        _decision(True),
        _DECIDED,
        (*_READY, _asked(_NOW), Call(f"{_RUNS}/CancelRun", {"run_id": "$run"})),
    ),
    Case(
        "SubmitToolApprovals: an unknown call is not found",
        f"{_TOOLS}/SubmitToolApprovals",
        _decision(True, _ABSENT_CALL),
        _CALL_NOT_FOUND,
        _READY,
    ),
    _bad(
        "a call of a tool of the client",
        "SubmitToolApprovals",
        _decision(True),
        "approvals[0].tool_call_id",
        before=(*_READY, _asked(_BEEP)),
    ),
    _bad("no decision", "SubmitToolApprovals", _TALK, "approvals"),
    _bad(
        "two decisions about one call",
        "SubmitToolApprovals",
        {**_TALK, "approvals": [{"tool_call_id": "a", "approved": True}, {"tool_call_id": "a"}]},
        "approvals",
    ),
    _bad(
        "no id, and a reason that is too long",
        "SubmitToolApprovals",
        {**_TALK, "approvals": [{"tool_call_id": "", "reason": "x" * 4097}]},
        "approvals[0].tool_call_id",
        "approvals[0].reason",
    ),
]
_SUBMIT = [
    Case(
        "a result lets the run go on",
        f"{_TOOLS}/SubmitClientToolResults",
        _result("beeped"),
        Reply(
            {
                "outcomes": [{"tool_call_id": "$call", "state": "TOOL_CALL_STATE_SUCCEEDED"}],
                "run_id": "$run",
                "status": "RUN_STATUS_RUNNING",
            }
        ),
        (*_READY, _asked(_BEEP)),
    ),
    Case(
        "a result may be an error",
        f"{_TOOLS}/SubmitClientToolResults",
        _result("no speaker", is_error=True),
        Reply({"outcomes": [{"state": "TOOL_CALL_STATE_FAILED"}]}),
        (*_READY, _asked(_BEEP)),
    ),
    Case(
        "a result may be empty",
        f"{_TOOLS}/SubmitClientToolResults",
        _result(""),
        Reply({"outcomes": [{"state": "TOOL_CALL_STATE_SUCCEEDED"}]}),
        (*_READY, _asked(_BEEP)),
    ),
    Case(
        "a tool may be declared with the message",
        f"{_TOOLS}/SubmitClientToolResults",
        _result("beeped"),
        Reply({"status": "RUN_STATUS_RUNNING"}),
        (
            _MADE,
            Call(
                f"{_RUNS}/Generate",
                {**_TALK, "user_message": {"content": _BEEP}, "client_tools": [_BEEPER]},
                keep={"call": "tool_call_requested.tool_call_id"},
                until="run_paused",
            ),
        ),
    ),
    Case(
        "the run waits for a person when the client has answered",
        f"{_TOOLS}/SubmitClientToolResults",
        _result("beeped"),
        Reply({"status": "RUN_STATUS_AWAITING_APPROVAL"}),
        (*_READY, _asked(f"{_NOW}\n{_BEEP}")),
    ),
    Case(
        "a call that has its result takes no other",
        f"{_TOOLS}/SubmitClientToolResults",
        _result("beeped again"),
        _ENDED,
        (*_READY, _asked(_BEEP), Call(f"{_TOOLS}/SubmitClientToolResults", _result("beeped"))),
    ),
    Case(
        "SubmitClientToolResults: an unknown call is not found",
        f"{_TOOLS}/SubmitClientToolResults",
        _result("x", _ABSENT_CALL),
        _CALL_NOT_FOUND,
        _READY,
    ),
    _bad(
        "a call of a server's tool",
        "SubmitClientToolResults",
        _result("noon"),
        "tool_results[0].tool_call_id",
        before=(*_READY, _asked(_NOW)),
    ),
    _bad("no result", "SubmitClientToolResults", _TALK, "tool_results"),
    _bad(
        "a result of more than 1 MiB",
        "SubmitClientToolResults",
        _result("x" * (1024 * 1024 + 1), "call_1"),
        "tool_results[0].result",
    ),
]
_SHOWN = [
    Case(
        "a thread shows what waits for a person",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply(
            {
                "status": "THREAD_STATUS_AWAITING_APPROVAL",
                "active_run": {"id": "$run", "status": "RUN_STATUS_AWAITING_APPROVAL"},
                "pending_tool_approvals": [{"tool_call_id": "$call", "server_name": "time"}],
                "pending_client_tool_calls": [],
                "messages": [
                    {"role": "ROLE_USER"},
                    {
                        "role": "ROLE_ASSISTANT",
                        "tool_calls": [{"id": "$call", "name": "time__get_current_time", "arguments": _ZONE}],
                    },
                ],
            }
        ),
        (*_READY, _asked(_NOW)),
    ),
    Case(
        "a thread shows what waits for the client",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply(
            {
                "status": "THREAD_STATUS_AWAITING_CLIENT_TOOLS",
                "pending_tool_approvals": [],
                "pending_client_tool_calls": [
                    {
                        "tool_call_id": "$call",
                        "run_id": "$run",
                        "tool_name": "beep",
                        "arguments": '{"times": 2}',
                        "requested_at": MOMENT,
                        "expires_at": MOMENT,
                    }
                ],
            }
        ),
        (*_READY, _asked(_BEEP)),
    ),
    Case(
        "a message waits behind a run that waits",
        f"{_RUNS}/SendMessage",
        {**_TALK, "user_message": {"content": "Hi"}},
        Reply({"run_id": RUN_ID, "status": "RUN_STATUS_QUEUED"}),
        (*_READY, _asked(_NOW)),
    ),
    Case(
        "a message interrupts a run that waits",
        f"{_RUNS}/SendMessage",
        {**_TALK, "user_message": {"content": "Hi"}, "interrupt_policy": "INTERRUPT_POLICY_INTERRUPT"},
        Reply({"run_id": RUN_ID, "status": "RUN_STATUS_RUNNING"}),
        (*_READY, _asked(_NOW)),
    ),
    Case(
        "an approved call is made, told of and answered",
        f"{_RUNS}/StreamRun",
        {"run_id": "$run", "after_sequence": "$last"},
        Stream(
            begins=(
                {"tool_call_decided": {"tool_call_id": "$call", "decision": "TOOL_CALL_DECISION_APPROVED"}},
                {"run_resumed": {}, "epoch": 2},
                {"tool_call_started": {"tool_call_id": "$call"}},
                {"message_completed": {"message": {"role": "ROLE_TOOL", "tool_call_id": "$call"}}},
                {
                    "tool_call_ended": {
                        "tool_call_id": "$call",
                        "state": "TOOL_CALL_STATE_SUCCEEDED",
                        "is_error": False,
                        "duration": Matching(r"\d+(\.\d+)?s"),
                    }
                },
                {"message_started": {"role": "ROLE_ASSISTANT"}},
            ),
            ends=({"run_ended": {"status": "COMPLETED"}},),
        ),
        (*_READY, _asked(_NOW), _decided(True)),
    ),
    Case(
        "a denial is told with its reason and who said so, and its run goes on",
        f"{_RUNS}/StreamRun",
        {"run_id": "$run", "after_sequence": "$last"},
        Stream(
            begins=(
                {
                    "tool_call_decided": {
                        "decision": "TOOL_CALL_DECISION_DENIED",
                        "reason": "Not now.",
                        "decided_by": Matching(r"[0-9a-f-]{36}"),
                    }
                },
                {
                    "message_completed": {
                        "message": {
                            "content": "This tool call was not made: the user denied it. Reason: Not now.",
                            "role": "ROLE_TOOL",
                        }
                    }
                },
                {"tool_call_ended": {"state": "TOOL_CALL_STATE_DENIED", "is_error": True, "duration": ABSENT}},
                {"run_resumed": {}},
            ),
            ends=({"run_ended": {"status": "COMPLETED"}},),
        ),
        (*_READY, _asked(_NOW), _decided(False, reason="Not now.")),
    ),
    Case(
        "a stream tells what was asked for and what the run waits for",
        f"{_RUNS}/Generate",
        {**_TALK, "user_message": {"content": _NOW}},
        Stream(
            begins=(
                {"run_started": {}},
                {"message_started": {}},
                {"message_completed": {"message": {"tool_calls": [{"name": "time__get_current_time"}]}}},
                {
                    "tool_call_requested": {
                        "tool_call_id": _CALL_ID,
                        "name": "time__get_current_time",
                        "server_name": "time",
                        "tool_name": "get_current_time",
                        "arguments": _ZONE,
                        "state": "TOOL_CALL_STATE_AWAITING_APPROVAL",
                        "expires_at": MOMENT,
                    }
                },
                {"run_paused": {"status": "AWAITING_APPROVAL", "expires_at": MOMENT}},
            )
        ),
        _READY,
    ),
    Case(
        "UpdateSettings: a server that nobody has",
        f"{_THREADS}/UpdateSettings",
        {**_TALK, "settings": {"mcp_servers": {"names": ["time", "weather"]}}},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("settings.mcp_servers.names[1]",)),
        (_MADE,),
    ),
    Case(
        "UpdateSettings: a schema that is none",
        f"{_THREADS}/UpdateSettings",
        {**_TALK, "settings": {"client_tools": {"tools": [{"name": "a", "input_schema": {"type": "string"}}]}}},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("settings.client_tools.tools[0].input_schema",)),
        (_MADE,),
    ),
    Case(
        "SendMessage: tools that are none",
        f"{_RUNS}/SendMessage",
        {
            **_TALK,
            "user_message": {"content": "Hi"},
            "client_tools": [{"name": "a", "input_schema": {"type": "object", "required": 1}}],
        },
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("client_tools[0].input_schema",)),
        (_MADE,),
    ),
]
_ID = Call(f"{_THREADS}/GetThread", _TALK, keep={"id": "id"})
_DOORS = [
    Case(
        "a prompt whose answer waits for somebody says so at once",
        "parley.chat.v1.ChatService/Prompt",
        {"message": _NOW, "chat_id": "$id"},
        Refused("FAILED_PRECONDITION", "RUN_AWAITS_DECISION", 422),
        (*_READY, _ID),
    ),
    Case(
        "a chat whose answer waits for somebody says so at once",
        "parley.archive.v3.ArchiveService/Chat",
        {"message": _BEEP, "conversation_id": "$id"},
        Refused(
            "FAILED_PRECONDITION", "RUN_AWAITS_DECISION", 400, detail=Matching(".*run_[0-9a-f]{32} is AWAITING_.*")
        ),
        (*_READY, _ID),
    ),
    Case(
        "a prompt returns what the model says behind its tools",
        "parley.chat.v1.ChatService/Prompt",
        {"message": '/call beep {"times": "two"}', "chat_id": "$id"},
        Reply({"answer": Matching("You said: This tool call was not made: .*")}),
        (*_READY, _ID),
    ),
    Case(
        "a chat returns what the model says behind its tools",
        "parley.archive.v3.ArchiveService/Chat",
        {"message": '/call beep {"times": "two"}', "conversation_id": "$id"},
        Reply({"content": Matching("You said: This tool call was not made: .*"), "role": "ROLE_ASSISTANT"}),
        (*_READY, _ID),
    ),
    Case(
        "a stream of a chat ends with what the model says behind its tools",
        "parley.archive.v3.ArchiveService/StreamChat",
        {"message": '/call beep {"times": "two"}', "conversation_id": "$id", "stream": True},
        Stream(
            begins=({"start": {}}, {"content": {}}),
            ends=({"message": {"content": Matching("You said: This tool call was not made: .*")}},),
        ),
        (*_READY, _ID),
    ),
]
_OF_ONE_THREAD: dict[str, Json] = {
    "ListPendingApprovals": _TALK,
    "SubmitToolApprovals": _decision(True, _ABSENT_CALL),
    "SubmitClientToolResults": _result("x", _ABSENT_CALL),
}
_FOREIGN = [
    Case(f"{method}: {whose} thread is not found", f"{_TOOLS}/{method}", request, _CONVERSATION_NOT_FOUND, _READY, who)
    for method, request in _OF_ONE_THREAD.items()
    for whose, who in [("another user's", BERT), ("another tenant's", STRANGER)]
]

CASES = [*_LIST, *_APPROVE, *_SUBMIT, *_SHOWN, *_DOORS, *_FOREIGN]
