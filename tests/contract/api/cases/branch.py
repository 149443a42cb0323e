"""Edits, answers made anew, branches and forks: methods of `parley.v1.RunService` and `ThreadService`."""

from tests.contract.api.case import (
    ABSENT,
    BERT,
    MOMENT,
    RUN_ID,
    STRANGER,
    TOKEN,
    UNKNOWN_ID,
    UUID,
    Call,
    Case,
    Json,
    Refused,
    Reply,
    Stream,
)

_THREADS = "parley.v1.ThreadService"
_RUNS = "parley.v1.RunService"
_TALK: Json = {"conversation_key": "talk"}
_NO_THREAD = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_NO_MESSAGE = Refused("NOT_FOUND", "MESSAGE_NOT_FOUND", 404)
_NO_BRANCH = Refused("NOT_FOUND", "BRANCH_NOT_FOUND", 404)
_RUN_ACTIVE = Refused("FAILED_PRECONDITION", "RUN_ACTIVE", 409)
_NOT_IN_HISTORY = Refused("FAILED_PRECONDITION", "MESSAGE_NOT_IN_HISTORY", 400)
_REUSED = Refused("ABORTED", "REQUEST_ID_REUSED", 422)
_INTERRUPT: Json = {"interrupt_policy": "INTERRUPT_POLICY_INTERRUPT"}
_RUNNING = Reply({"run_id": RUN_ID, "status": "RUN_STATUS_RUNNING"})

_MADE = Call(f"{_THREADS}/CreateThread", {**_TALK, "name": "Talk"})
_ENDED = Call(f"{_RUNS}/StreamRun", {"run_id": "$run"})
"""Waits for the run."""


def _said(content: str, *, key: str = "talk") -> Call:
    return Call(f"{_RUNS}/Generate", {"conversation_key": key, "user_message": {"content": content}})


def _sent(content: str, **more: object) -> Call:
    return Call(f"{_RUNS}/SendMessage", {**_TALK, "user_message": {"content": content}, **more})


def _looked(**keep: str) -> Call:
    return Call(f"{_THREADS}/GetConversationState", _TALK, keep=keep)


def _edit(content: str = "Ho", message: str = "$asked", **more: object) -> Json:
    return {**_TALK, "message_id": message, "user_message": {"content": content}, **more}


def _edited(content: str = "Ho", **more: str) -> Call:
    return Call(f"{_RUNS}/EditMessage", _edit(content, **more), keep={"run": "run_id"})


_ASKED = (_MADE, _said("Hi"), _looked(asked="messages.0.id", answer="messages.1.id"))
_TWICE = (_MADE, _said("One"), _said("Two"), _looked(asked="messages.2.id", answer="messages.1.id"))
_BRANCHED = (*_ASKED, _edited(), _ENDED)
_HELD = (*_ASKED, _sent("hold"))


def _bad(name: str, rpc: str, request: Json, *fields: str, before: tuple[Call, ...] = ()) -> Case:
    return Case(f"{rpc}: {name}", rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields), before)


_EDIT = [
    Case("an edited message is answered", f"{_RUNS}/EditMessage", _edit(), _RUNNING, _ASKED),
    Case(
        "the same edit is answered alike",
        f"{_RUNS}/EditMessage",
        _edit(request_id="r-1"),
        Reply({"run_id": "$run", "status": "RUN_STATUS_RUNNING"}),
        (*_ASKED, _edited(request_id="r-1"), _ENDED),
    ),
    Case(
        "another text under the same id is refused",
        f"{_RUNS}/EditMessage",
        _edit("Hey", request_id="r-1"),
        _REUSED,
        (*_ASKED, _edited(request_id="r-1")),
    ),
    Case(
        "another message under the same id is refused",
        f"{_RUNS}/EditMessage",
        _edit(message=UNKNOWN_ID, request_id="r-1"),
        _REUSED,
        (*_ASKED, _edited(request_id="r-1")),
    ),
    Case(
        "an edit under the id of a send is refused",
        f"{_RUNS}/EditMessage",
        _edit("hold", request_id="r-1"),
        _REUSED,
        (*_ASKED, _sent("hold", request_id="r-1")),
    ),
    Case("an absent message is not edited", f"{_RUNS}/EditMessage", _edit(message=UNKNOWN_ID), _NO_MESSAGE, (_MADE,)),
    Case(
        "a message of another thread is not edited",
        f"{_RUNS}/EditMessage",
        {**_edit(), "conversation_key": "other"},
        _NO_MESSAGE,
        (*_ASKED, Call(f"{_THREADS}/CreateThread", {"conversation_key": "other"})),
    ),
    Case("nothing is edited behind a run", f"{_RUNS}/EditMessage", _edit(), _RUN_ACTIVE, _HELD),
    Case("an edit may interrupt", f"{_RUNS}/EditMessage", _edit(**_INTERRUPT), _RUNNING, _HELD),
    Case(
        "the message of the run itself may be edited",
        f"{_RUNS}/EditMessage",
        _edit(**_INTERRUPT),
        _RUNNING,
        (_MADE, _sent("hold"), _looked(asked="messages.0.id")),
    ),
    Case(
        "a message that waits is not edited",
        f"{_RUNS}/EditMessage",
        _edit(**_INTERRUPT),
        _NOT_IN_HISTORY,
        (_MADE, _sent("hold"), _sent("Hi"), _looked(asked="queued_messages.0.id")),
    ),
    Case(
        "a message of a branch that is not active is edited",
        f"{_RUNS}/EditMessage",
        _edit("Hey"),
        _RUNNING,
        _BRANCHED,
    ),
    Case(
        "a model that nobody offers is refused",
        f"{_RUNS}/EditMessage",
        _edit(generation_config={"model": "nobody/nothing"}),
        Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400),
        _ASKED,
    ),
    _bad("an answer", f"{_RUNS}/EditMessage", _edit(message="$answer"), "message_id", before=_ASKED),
    _bad("no text", f"{_RUNS}/EditMessage", _edit("", message=UNKNOWN_ID), "user_message.content"),
    _bad("no message", f"{_RUNS}/EditMessage", {**_TALK, "message_id": UNKNOWN_ID}, "user_message"),
    _bad("no id", f"{_RUNS}/EditMessage", _edit(message=""), "message_id"),
    _bad(
        "the assistant's words and an unknown policy",
        f"{_RUNS}/EditMessage",
        {
            **_edit(message=UNKNOWN_ID),
            "user_message": {"role": "ROLE_ASSISTANT", "content": "I"},
            "interrupt_policy": 7,
        },
        "user_message.role",
        "interrupt_policy",
    ),
]

_REGENERATE = [
    Case("the last answer is made anew", f"{_RUNS}/Regenerate", _TALK, _RUNNING, _ASKED),
    Case(
        "an earlier answer is made anew, by another model",
        f"{_RUNS}/Regenerate",
        {**_TALK, "message_id": "$answer", "generation_config": {"model": "second"}},
        _RUNNING,
        _TWICE,
    ),
    Case(
        "a message whose run failed is answered",
        f"{_RUNS}/Regenerate",
        _TALK,
        _RUNNING,
        (_MADE, _said("fail PROVIDER_TIMEOUT")),
    ),
    Case(
        "the same regeneration is answered alike",
        f"{_RUNS}/Regenerate",
        {**_TALK, "request_id": "r-1"},
        Reply({"run_id": "$run", "status": "RUN_STATUS_RUNNING"}),
        (*_ASKED, Call(f"{_RUNS}/Regenerate", {**_TALK, "request_id": "r-1"}, keep={"run": "run_id"}), _ENDED),
    ),
    Case(
        "another regeneration under the same id is refused",
        f"{_RUNS}/Regenerate",
        {**_TALK, "request_id": "r-1", "message_id": "$answer"},
        _REUSED,
        (*_ASKED, Call(f"{_RUNS}/Regenerate", {**_TALK, "request_id": "r-1"})),
    ),
    Case("nothing is made anew behind a run", f"{_RUNS}/Regenerate", _TALK, _RUN_ACTIVE, _HELD),
    Case("a regeneration may interrupt", f"{_RUNS}/Regenerate", {**_TALK, **_INTERRUPT}, _RUNNING, _HELD),
    Case(
        "without a message there is nothing to answer",
        f"{_RUNS}/Regenerate",
        _TALK,
        _NO_MESSAGE,
        (_MADE,),
    ),
    Case(
        "an absent answer is not made anew",
        f"{_RUNS}/Regenerate",
        {**_TALK, "message_id": UNKNOWN_ID},
        _NO_MESSAGE,
        _ASKED,
    ),
    _bad("a user message", f"{_RUNS}/Regenerate", {**_TALK, "message_id": "$asked"}, "message_id", before=_ASKED),
    _bad("a long request id", f"{_RUNS}/Regenerate", {**_TALK, "request_id": "x" * 129}, "request_id"),
]

_HISTORY = [
    Case(
        "after an edit every message is of the new branch",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply(
            {
                "branch": 2,
                "messages": [
                    {"content": "One"},
                    {"content": "You said: One"},
                    {"content": "Ho", "role": "ROLE_USER", "status": "MESSAGE_STATUS_COMPLETE"},
                    {"content": "You said: Ho"},
                ],
            }
        ),
        (*_TWICE, _edited(), _ENDED),
    ),
    Case(
        "an answer made anew stands behind the same message",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply({"branch": 2, "messages": [{"id": "$asked", "content": "Hi"}, {"model": "second"}]}),
        (
            *_ASKED,
            Call(f"{_RUNS}/Regenerate", {**_TALK, "generation_config": {"model": "second"}}, keep={"run": "run_id"}),
            _ENDED,
        ),
    ),
    Case(
        "an answer that was missing starts no branch",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply({"branch": 1, "messages": [{"content": "fail PROVIDER_TIMEOUT"}], "active_run": ABSENT}),
        (
            _MADE,
            _said("fail PROVIDER_TIMEOUT"),
            Call(f"{_RUNS}/Regenerate", _TALK, keep={"run": "run_id"}),
            _ENDED,
        ),
    ),
    Case(
        "the branch before stays readable",
        f"{_THREADS}/ListMessages",
        {**_TALK, "branch": 1},
        Reply({"messages": [{"id": "$asked", "content": "Hi"}, {"content": "You said: Hi"}]}),
        _BRANCHED,
    ),
    Case(
        "the pages of one list are of one branch",
        f"{_THREADS}/ListMessages",
        {**_TALK, "page_size": 1, "page_token": "$token"},
        Reply({"messages": [{"content": "You said: Hi"}], "next_page_token": ABSENT}),
        (
            *_ASKED,
            Call(f"{_THREADS}/ListMessages", {**_TALK, "page_size": 1}, keep={"token": "next_page_token"}),
            _edited(),
            _ENDED,
        ),
    ),
    Case("a branch that is none", f"{_THREADS}/ListMessages", {**_TALK, "branch": 2}, _NO_BRANCH, _ASKED),
    _bad("a negative branch", f"{_THREADS}/ListMessages", {**_TALK, "branch": -1}, "branch"),
    Case(
        "whoever watches is told of the branch",
        f"{_RUNS}/WatchThread",
        {**_TALK, "after_sequence": "$last"},
        Stream(
            begins=(
                {
                    "run_id": ABSENT,
                    "branch_activated": {
                        "branch": 2,
                        "shared_messages": 0,
                        "message_count": 0,
                        "source_message_id": "$asked",
                    },
                },
                {"run_started": {"message": {"content": "Ho"}}},
            )
        ),
        (*_ASKED, _looked(last="last_sequence"), _edited(), _ENDED),
    ),
]

_LIST = [
    Case(
        "a thread has one branch",
        f"{_THREADS}/ListBranches",
        _TALK,
        Reply(
            {
                "branches": [
                    {
                        "number": 1,
                        "parent": ABSENT,
                        "shared_messages": 0,
                        "message_count": 2,
                        "cause": "BRANCH_CAUSE_ORIGINAL",
                        "source_message_id": ABSENT,
                        "created_at": MOMENT,
                        "active": True,
                    }
                ],
                "next_page_token": ABSENT,
            }
        ),
        _ASKED,
    ),
    Case(
        "every edit and every regeneration starts one",
        f"{_THREADS}/ListBranches",
        _TALK,
        Reply(
            {
                "branches": [
                    {"number": 1, "message_count": 4, "active": False},
                    {
                        "number": 2,
                        "parent": 1,
                        "shared_messages": 2,
                        "message_count": 4,
                        "cause": "BRANCH_CAUSE_EDIT",
                        "source_message_id": "$asked",
                        "active": False,
                    },
                    {
                        "number": 3,
                        "parent": 1,
                        "shared_messages": 1,
                        "message_count": 2,
                        "cause": "BRANCH_CAUSE_REGENERATION",
                        "source_message_id": "$answer",
                        "active": True,
                    },
                ]
            }
        ),
        (
            *_TWICE,
            _edited(),
            _ENDED,
            Call(f"{_RUNS}/Regenerate", {**_TALK, "message_id": "$answer"}, keep={"run": "run_id"}),
            _ENDED,
        ),
    ),
    Case(
        "a page of branches says how to ask for the next",
        f"{_THREADS}/ListBranches",
        {**_TALK, "page_size": 1},
        Reply({"branches": [{"number": 1}], "next_page_token": TOKEN}),
        _BRANCHED,
    ),
    Case(
        "the next page of branches is the last",
        f"{_THREADS}/ListBranches",
        {**_TALK, "page_size": 1, "page_token": "$token"},
        Reply({"branches": [{"number": 2}], "next_page_token": ABSENT}),
        (
            *_BRANCHED,
            Call(f"{_THREADS}/ListBranches", {**_TALK, "page_size": 1}, keep={"token": "next_page_token"}),
        ),
    ),
    _bad("too large a page", f"{_THREADS}/ListBranches", {**_TALK, "page_size": 1001}, "page_size"),
]

_SWITCH = [
    Case(
        "an earlier branch is active again",
        f"{_THREADS}/SwitchBranch",
        {**_TALK, "branch": 1},
        Reply({"number": 1, "message_count": 2, "active": True}),
        _BRANCHED,
    ),
    Case(
        "its history is the thread's then",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply({"branch": 1, "messages": [{"id": "$asked"}, {"id": "$answer"}]}),
        (*_BRANCHED, Call(f"{_THREADS}/SwitchBranch", {**_TALK, "branch": 1})),
    ),
    Case(
        "the active branch stays so, whatever runs",
        f"{_THREADS}/SwitchBranch",
        {**_TALK, "branch": 1},
        Reply({"number": 1, "active": True}),
        _HELD,
    ),
    Case(
        "no branch is switched under a run",
        f"{_THREADS}/SwitchBranch",
        {**_TALK, "branch": 1},
        _RUN_ACTIVE,
        (*_BRANCHED, _sent("hold")),
    ),
    Case("an absent branch is not found", f"{_THREADS}/SwitchBranch", {**_TALK, "branch": 2}, _NO_BRANCH, _ASKED),
    _bad("no branch", f"{_THREADS}/SwitchBranch", _TALK, "branch"),
]

_FORKED: Json = {"conversation_key": "fork"}


def _fork(**more: object) -> Call:
    return Call(f"{_THREADS}/ForkThread", {**_TALK, "new_conversation_key": "fork", **more})


_FORK = [
    Case(
        "a thread is copied",
        f"{_THREADS}/ForkThread",
        _TALK,
        Reply({"id": UUID, "conversation_key": UUID, "name": "Talk (fork)", "status": "THREAD_STATUS_IDLE"}),
        _ASKED,
    ),
    Case(
        "a copy has the key and the name that it is given",
        f"{_THREADS}/ForkThread",
        {**_TALK, "new_conversation_key": "fork", "name": "Another"},
        Reply({"conversation_key": "fork", "name": "Another", "archived": False}),
        (_MADE,),
    ),
    Case(
        "a copy has settings and history up to the message, and a log of its own",
        f"{_THREADS}/GetConversationState",
        _FORKED,
        Reply(
            {
                "settings": {"system_prompt": "Be brief."},
                "generation_config": {"temperature": 0.5},
                "context_management_settings": {"max_history_messages": 7},
                "messages": [
                    {"id": UUID, "content": "One", "run_id": ABSENT},
                    {"content": "You said: One", "model": "first", "usage": {"total_tokens": 7}, "run_id": ABSENT},
                ],
                "branch": 1,
                "last_sequence": "0",
            }
        ),
        (
            *_TWICE,
            Call(f"{_THREADS}/UpdateSettings", {**_TALK, "settings": {"system_prompt": "Be brief."}}),
            Call(f"{_THREADS}/UpdateDefaultGenerationConfig", {**_TALK, "generation_config": {"temperature": 0.5}}),
            Call(
                f"{_THREADS}/UpdateContextManagementSettings",
                {**_TALK, "context_management_settings": {"max_history_messages": 7}},
            ),
            _fork(message_id="$answer"),
        ),
    ),
    Case(
        "a branch that is not active is copied",
        f"{_THREADS}/ListMessages",
        _FORKED,
        Reply({"messages": [{"content": "Hi"}, {"content": "You said: Hi"}]}),
        (*_BRANCHED, _fork(message_id="$answer")),
    ),
    Case(
        "what runs or waits is not copied",
        f"{_THREADS}/GetConversationState",
        _FORKED,
        Reply(
            {
                "status": "THREAD_STATUS_IDLE",
                "messages": [{"content": "Hi"}, {"content": "You said: Hi"}, {"content": "hold"}],
                "queued_messages": [],
            }
        ),
        (*_HELD, _sent("wait"), _fork()),
    ),
    Case(
        "a copy goes on by itself",
        f"{_RUNS}/Regenerate",
        _FORKED,
        _RUNNING,
        (*_ASKED, _fork(), Call(f"{_THREADS}/DeleteThread", _TALK)),
    ),
    Case(
        "a key that is taken",
        f"{_THREADS}/ForkThread",
        {**_TALK, "new_conversation_key": "talk"},
        Refused("ALREADY_EXISTS", "CONVERSATION_KEY_TAKEN", 409),
        (_MADE,),
    ),
    Case(
        "up to an absent message",
        f"{_THREADS}/ForkThread",
        {**_TALK, "message_id": UNKNOWN_ID},
        _NO_MESSAGE,
        _ASKED,
    ),
    Case(
        "up to a message that waits",
        f"{_THREADS}/ForkThread",
        {**_TALK, "message_id": "$asked"},
        _NOT_IN_HISTORY,
        (_MADE, _sent("hold"), _sent("Hi"), _looked(asked="queued_messages.0.id")),
    ),
    _bad("a long name and no key", f"{_THREADS}/ForkThread", {"name": "x" * 256}, "conversation_key", "name"),
]

_OF_ONE_THREAD: dict[str, Json] = {
    f"{_RUNS}/EditMessage": _edit(),
    f"{_RUNS}/Regenerate": {**_TALK, "message_id": "$answer"},
    f"{_THREADS}/ListBranches": _TALK,
    f"{_THREADS}/SwitchBranch": {**_TALK, "branch": 1},
    f"{_THREADS}/ForkThread": {**_TALK, "message_id": "$asked"},
}
_FOREIGN = [
    Case(f"{rpc}: {whose} thread is not found", rpc, request, _NO_THREAD, _ASKED, caller)
    for rpc, request in _OF_ONE_THREAD.items()
    for whose, caller in [("another user's", BERT), ("another tenant's", STRANGER)]
]
_FOREIGN_MESSAGES = [
    Case(
        f"{rpc}: another user's message is not found",
        rpc,
        _OF_ONE_THREAD[rpc],
        _NO_MESSAGE,
        (*_ASKED, Call(f"{_THREADS}/CreateThread", _TALK, caller=BERT)),
        BERT,
    )
    for rpc in (f"{_RUNS}/EditMessage", f"{_RUNS}/Regenerate", f"{_THREADS}/ForkThread")
]

CASES = [*_EDIT, *_REGENERATE, *_HISTORY, *_LIST, *_SWITCH, *_FORK, *_FOREIGN, *_FOREIGN_MESSAGES]
