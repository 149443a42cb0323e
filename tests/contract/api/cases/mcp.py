"""`parley.v1.McpService`, on real servers: `desk` and `hasty` are scripted, `broken` cannot be started."""

from tests.contract.api.case import ABSENT, MOMENT, TOKEN, Call, Caller, Case, Matching, Refused, Reply
from tests.contract.api.tool_servers import SUM

_SERVICE = "parley.v1.McpService"
_SERVERS, _INFO = f"{_SERVICE}/ListAvailableServers", f"{_SERVICE}/GetServerInfo"
_TOOLS, _CALL = f"{_SERVICE}/ListTools", f"{_SERVICE}/CallTool"
_DESK = {"server_name": "desk"}
_ADD = {**_DESK, "tool_name": "sum", "arguments": {"of": [1, 2, 3]}}
_NO_SERVER = Refused("NOT_FOUND", "TOOL_SERVER_NOT_FOUND", 404)
_DOWN = Refused("UNAVAILABLE", "TOOL_SERVER_UNAVAILABLE", 503)
_ARGUMENTS = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("arguments",))
_BAD_TOKEN = Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400)
_READER, _CALLER = Caller(scopes=("conversations:read",)), Caller(scopes=("mcp:call",))
_TIME = Matching(r"\d+(\.\d+)?s")

CASES = [
    Case(
        "the configured servers in their order, none of them asked",
        _SERVERS,
        {},
        Reply(
            {
                "servers": [
                    {
                        "name": "desk",
                        "description": "A desk",
                        "transport": "MCP_TRANSPORT_STDIO",
                        "policy": "TOOL_POLICY_APPROVAL",
                    },
                    {"name": "hasty", "description": ""},
                    {"name": "broken"},
                    {"name": "time"},
                ],
                "next_page_token": ABSENT,
            }
        ),
        caller=_READER,
    ),
    Case(
        "a page of the servers",
        _SERVERS,
        {"page_size": 2},
        Reply({"servers": [{"name": "desk"}, {"name": "hasty"}], "next_page_token": TOKEN}),
    ),
    Case(
        "the last page of the servers",
        _SERVERS,
        {"page_size": 3, "page_token": "$next"},
        Reply({"servers": [{"name": "time"}], "next_page_token": ABSENT}),
        (Call(_SERVERS, {"page_size": 3}, keep={"next": "next_page_token"}),),
    ),
    Case("a token that is none", _SERVERS, {"page_token": "abc"}, _BAD_TOKEN),
    Case(
        "a page of a negative size",
        _SERVERS,
        {"page_size": -1},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("page_size",)),
    ),
    Case(
        "what a server says of itself",
        _INFO,
        _DESK,
        Reply(
            {
                "name": "desk",
                "title": "The desk",
                "version": "7",
                "protocol_version": Matching(r"\d{4}-\d\d-\d\d"),
                "instructions": "Ask.",
                "capabilities": {"tools": {"listChanged": True}},
            }
        ),
        caller=_READER,
    ),
    Case("a server that nobody configured says nothing", _INFO, {"server_name": "none"}, _NO_SERVER),
    Case("a server that cannot be started says nothing", _INFO, {"server_name": "broken"}, _DOWN),
    Case("no server", _INFO, {}, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("server_name",))),
    Case(
        "the tools of a server under the operator's policies",
        _TOOLS,
        _DESK,
        Reply(
            {
                "tools": [
                    {
                        "name": "sum",
                        "description": "Adds whole numbers.",
                        "input_schema": SUM,
                        "policy": "TOOL_POLICY_AUTO",
                        "repeatable": True,
                        "model_tool_name": "desk__sum",
                    },
                    {"name": "fails", "policy": "TOOL_POLICY_APPROVAL", "repeatable": False},
                    {"name": "shred", "policy": "TOOL_POLICY_DENY"},
                    {"name": "lost"},
                ],
                "next_page_token": ABSENT,
            }
        ),
        caller=_READER,
    ),
    Case(
        "a page of the tools",
        _TOOLS,
        {**_DESK, "page_size": 1, "page_token": "$next"},
        Reply({"tools": [{"name": "fails"}], "next_page_token": TOKEN}),
        (Call(_TOOLS, {**_DESK, "page_size": 1}, keep={"next": "next_page_token"}),),
    ),
    Case(
        "a token of another list",
        _TOOLS,
        {**_DESK, "page_token": "$next"},
        _BAD_TOKEN,
        (Call(_SERVERS, {"page_size": 1}, keep={"next": "next_page_token"}),),
    ),
    Case("the tools of a server that nobody configured", _TOOLS, {"server_name": "none"}, _NO_SERVER),
    Case("the tools of a server that cannot be started", _TOOLS, {"server_name": "broken"}, _DOWN),
    Case(
        "a tool answers",
        _CALL,
        _ADD,
        Reply(
            {
                "result": "six",
                "status": "TOOL_CALL_STATE_SUCCEEDED",
                "truncated": False,
                "started_at": MOMENT,
                "duration": _TIME,
            }
        ),
    ),
    Case("who may call tools needs no other scope", _CALL, _ADD, Reply({"result": "six"}), caller=_CALLER),
    Case(
        "a tool that says that it failed is a reply",
        _CALL,
        {**_DESK, "tool_name": "fails"},
        Reply({"result": "no paper", "status": "TOOL_CALL_STATE_FAILED"}),
    ),
    Case(
        "a tool that does not answer in time has an unknown outcome",
        _CALL,
        {"server_name": "hasty", "tool_name": "lost"},
        Reply({"result": Matching(".*may or may not have run"), "status": "TOOL_CALL_STATE_UNKNOWN"}),
    ),
    Case(
        "a tool that the operator denies is called by nobody",
        _CALL,
        {**_DESK, "tool_name": "shred"},
        Refused("PERMISSION_DENIED", "TOOL_DENIED", 403),
    ),
    Case(
        "a tool that the server does not have",
        _CALL,
        {**_DESK, "tool_name": "staple"},
        Refused("NOT_FOUND", "TOOL_NOT_FOUND", 404),
    ),
    Case("a call on a server that nobody configured", _CALL, {**_ADD, "server_name": "none"}, _NO_SERVER),
    Case("a call on a server that cannot be started", _CALL, {**_ADD, "server_name": "broken"}, _DOWN),
    Case("arguments of another type", _CALL, {**_ADD, "arguments": {"of": ["one"]}}, _ARGUMENTS),
    Case("half a number where whole ones are wanted", _CALL, {**_ADD, "arguments": {"of": [1.5]}}, _ARGUMENTS),
    Case("arguments that are missing", _CALL, {**_DESK, "tool_name": "sum"}, _ARGUMENTS),
    Case("an argument that nobody asked for", _CALL, {**_ADD, "arguments": {"of": [], "by": 1}}, _ARGUMENTS),
    Case(
        "no tool",
        _CALL,
        _DESK,
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("tool_name",)),
    ),
]
