"""`parley.v1.RunService`."""

from tests.contract.api.case import (
    ABSENT,
    BERT,
    MOMENT,
    RUN_ID,
    STRANGER,
    TOKEN,
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
_CONVERSATION_NOT_FOUND = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_RUN_NOT_FOUND = Refused("NOT_FOUND", "RUN_NOT_FOUND", 404)
_TALK: Json = {"conversation_key": "talk"}
_MADE = Call(f"{_THREADS}/CreateThread", _TALK)
_INTERRUPTS = Call(
    f"{_THREADS}/UpdateSettings", {**_TALK, "settings": {"interrupt_policy": "INTERRUPT_POLICY_INTERRUPT"}}
)
_ABSENT_RUN: Json = {"run_id": "run_" + "0" * 32}


def _message(content: str, **more: object) -> Json:
    return {**_TALK, "user_message": {"content": content}, **more}


def _sent(content: str, **more: object) -> Call:
    return Call(f"{_RUNS}/SendMessage", _message(content, **more), keep={"run": "run_id"})


def _generated(content: str) -> Call:
    return Call(f"{_RUNS}/Generate", _message(content), keep={"run": "run_id", "last": "sequence"})


def _started(content: str) -> Json:
    return {
        "sequence": "1",
        "conversation_key": "talk",
        "run_id": RUN_ID,
        "epoch": 1,
        "created_at": MOMENT,
        "run_started": {"message": {"role": "ROLE_USER", "content": content}, "model": "first"},
    }


def _ended(status: str, **more: object) -> Json:
    return {"run_id": RUN_ID, "run_ended": {"status": status, **more}}


def _bad(name: str, method: str, request: Json, *fields: str) -> Case:
    refused = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields)
    return Case(f"{method}: {name}", f"{_RUNS}/{method}", request, refused)


_SEND = [
    Case(
        "a message starts a run",
        f"{_RUNS}/SendMessage",
        {**_TALK, "user_message": {"role": "ROLE_USER", "content": "Hi"}},
        Reply({"run_id": RUN_ID, "status": "RUN_STATUS_RUNNING"}),
        (_MADE,),
    ),
    Case(
        "a message waits while a run is active",
        f"{_RUNS}/SendMessage",
        _message("Hi"),
        Reply({"run_id": RUN_ID, "status": "RUN_STATUS_QUEUED"}),
        (_MADE, _sent("hold")),
    ),
    Case(
        "a message interrupts where the policy says so",
        f"{_RUNS}/SendMessage",
        _message("Hi"),
        Reply({"status": "RUN_STATUS_RUNNING"}),
        (_MADE, _INTERRUPTS, _sent("hold")),
    ),
    Case(
        "a message's own policy goes before the thread's: it interrupts",
        f"{_RUNS}/SendMessage",
        _message("Hi", interrupt_policy="INTERRUPT_POLICY_INTERRUPT"),
        Reply({"status": "RUN_STATUS_RUNNING"}),
        (_MADE, _sent("hold")),
    ),
    Case(
        "a message's own policy goes before the thread's: it waits",
        f"{_RUNS}/SendMessage",
        _message("Hi", interrupt_policy="INTERRUPT_POLICY_QUEUE"),
        Reply({"status": "RUN_STATUS_QUEUED"}),
        (_MADE, _INTERRUPTS, _sent("hold")),
    ),
    Case(
        "the same message with another policy is another request",
        f"{_RUNS}/SendMessage",
        _message("Hi", request_id="r-1", interrupt_policy="INTERRUPT_POLICY_INTERRUPT"),
        Refused("ABORTED", "REQUEST_ID_REUSED", 422),
        (_MADE, _sent("Hi", request_id="r-1")),
    ),
    Case(
        "the same request is answered alike",
        f"{_RUNS}/SendMessage",
        _message("Hi", request_id="r-1"),
        Reply({"run_id": "$run", "status": "RUN_STATUS_RUNNING"}),
        (_MADE, _sent("Hi", request_id="r-1")),
    ),
    Case(
        "another request of the same id is refused",
        f"{_RUNS}/SendMessage",
        _message("Ho", request_id="r-1"),
        Refused("ABORTED", "REQUEST_ID_REUSED", 422),
        (_MADE, _sent("Hi", request_id="r-1")),
    ),
    Case(
        "as many messages wait as may",
        f"{_RUNS}/SendMessage",
        _message("one too many"),
        Refused("RESOURCE_EXHAUSTED", "QUEUE_FULL", 429),
        (_MADE, _sent("hold"), *(_sent("Hi") for _ in range(16))),
    ),
    Case(
        "a model that nobody offers is refused",
        f"{_RUNS}/SendMessage",
        _message("Hi", generation_config={"model": "nobody/nothing"}),
        Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400),
        (_MADE,),
    ),
    Case(
        "a message that the operator does not allow is refused",
        f"{_RUNS}/SendMessage",
        _message("It is Un\u200bspeakable!"),
        Refused("INVALID_ARGUMENT", "CONTENT_REFUSED", 400),
        (_MADE,),
    ),
    _bad("no message", "SendMessage", _TALK, "user_message"),
    _bad("no text", "SendMessage", _message(""), "user_message.content"),
    _bad(
        "the assistant's words",
        "SendMessage",
        {**_TALK, "user_message": {"role": "ROLE_ASSISTANT", "content": "I am"}},
        "user_message.role",
    ),
    _bad("an unknown policy", "SendMessage", _message("Hi", interrupt_policy=7), "interrupt_policy"),
    _bad("a long request id", "SendMessage", _message("Hi", request_id="x" * 129), "request_id"),
    _bad(
        "a temperature out of range",
        "SendMessage",
        _message("Hi", generation_config={"temperature": 3}),
        "generation_config.temperature",
    ),
]

_GENERATE = [
    Case(
        "an answer is streamed to its end",
        f"{_RUNS}/Generate",
        _message("Hi"),
        Stream(
            begins=(
                _started("Hi"),
                {"sequence": "2", "message_started": {"message_id": UUID, "role": "ROLE_ASSISTANT", "model": "first"}},
                {"sequence": "3", "text_delta": {"message_id": UUID, "text": "You said: Hi"}},
            ),
            ends=(
                {"message_completed": {"message": {"content": "You said: Hi", "status": "MESSAGE_STATUS_COMPLETE"}}},
                _ended(
                    "COMPLETED", reason=ABSENT, usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
                ),
            ),
        ),
        (_MADE,),
    ),
    Case(
        "an answer that the operator does not allow ends where it breaks the rule",
        f"{_RUNS}/Generate",
        _message("secretly"),
        Stream(
            begins=(
                _started("secretly"),
                {"message_started": {"role": "ROLE_ASSISTANT"}},
                {"text_delta": {"text": "You "}},
            ),
            ends=(
                {"message_completed": {"message": {"content": "You "}}},
                _ended("FAILED", reason="ANSWER_REFUSED"),
            ),
        ),
        (_MADE,),
    ),
    Case(
        "a run that fails says why and ends",
        f"{_RUNS}/Generate",
        _message("fail PROVIDER_REJECTED_REQUEST"),
        Stream(
            begins=(_started("fail PROVIDER_REJECTED_REQUEST"),),
            ends=(_ended("FAILED", reason="PROVIDER_REJECTED_REQUEST", message="as directed", usage=ABSENT),),
        ),
        (_MADE,),
    ),
    Case(
        "a cut answer goes on behind the last event seen, and nothing is sent",
        f"{_RUNS}/Generate",
        _message("Hi", after_sequence=3),
        Stream(
            begins=({"sequence": "4", "message_completed": {"message": {"content": "You said: Hi"}}},),
            ends=(_ended("COMPLETED"),),
        ),
        (_MADE, _generated("Hi"), _generated("Ho")),
    ),
    Case(
        "an answer of another message is not continued",
        f"{_RUNS}/Generate",
        _message("Ho", after_sequence=3),
        Refused("NOT_FOUND", "RUN_NOT_FOUND", 404),
        (_MADE, _generated("Hi"), _generated("Ho")),
    ),
    Case(
        "an answer cannot have been seen further than it is",
        f"{_RUNS}/Generate",
        _message("Hi", after_sequence=99),
        Refused("OUT_OF_RANGE", "CURSOR_IN_FUTURE", 400),
        (_MADE, _generated("Hi")),
    ),
    Case(
        "a message that was answered in part already is not sent again",
        f"{_RUNS}/SendMessage",
        _message("Hi", after_sequence=3),
        Reply({"run_id": "$run", "status": "RUN_STATUS_COMPLETED"}),
        (_MADE, _generated("Hi")),
    ),
    Case(
        "a message override chooses the model",
        f"{_RUNS}/Generate",
        _message("Hi", generation_config={"model": "second"}),
        Stream(
            begins=({"run_started": {"model": "second"}},),
            ends=({"message_completed": {"message": {"model": "second"}}}, _ended("COMPLETED")),
        ),
        (_MADE,),
    ),
    _bad("no text", "Generate", _message(""), "user_message.content"),
]

_STREAM = [
    Case(
        "a run that is over is streamed from the log",
        f"{_RUNS}/StreamRun",
        {"run_id": "$run"},
        Stream(begins=(_started("Hi"),), ends=(_ended("COMPLETED"),)),
        (_MADE, _generated("Hi")),
    ),
    Case(
        "a stream goes on behind the cursor",
        f"{_RUNS}/StreamRun",
        {"run_id": "$run", "after_sequence": 2},
        Stream(begins=({"sequence": "3"},), ends=(_ended("COMPLETED"),)),
        (_MADE, _generated("Hi")),
    ),
    Case(
        "nothing is behind the last event",
        f"{_RUNS}/StreamRun",
        {"run_id": "$run", "after_sequence": "$last"},
        Stream(begins=(), ends=()),
        (_MADE, _generated("Hi")),
    ),
    Case(
        "a cursor beyond the log is refused",
        f"{_RUNS}/StreamRun",
        {"run_id": "$run", "after_sequence": 1000},
        Refused("OUT_OF_RANGE", "CURSOR_IN_FUTURE", 400),
        (_MADE, _generated("Hi")),
    ),
    Case("an absent run is not streamed", f"{_RUNS}/StreamRun", _ABSENT_RUN, _RUN_NOT_FOUND),
    _bad("a negative cursor", "StreamRun", {**_ABSENT_RUN, "after_sequence": -1}, "after_sequence"),
]

_WATCH = [
    Case(
        "a thread is watched from its first event",
        f"{_RUNS}/WatchThread",
        _TALK,
        Stream(begins=(_started("hold"), {"message_started": {}}, {"text_delta": {"text": "Holding"}})),
        (_MADE, _sent("hold")),
    ),
    Case(
        "a thread is watched behind a cursor, across its runs",
        f"{_RUNS}/WatchThread",
        {**_TALK, "after_sequence": "$last"},
        Stream(begins=({"run_started": {"message": {"content": "Ho"}}},)),
        (_MADE, _generated("Hi"), Call(f"{_RUNS}/Generate", _message("Ho"))),
    ),
    Case(
        "a cursor beyond the thread's log is refused",
        f"{_RUNS}/WatchThread",
        {**_TALK, "after_sequence": 1},
        Refused("OUT_OF_RANGE", "CURSOR_IN_FUTURE", 400),
        (_MADE,),
    ),
    _bad("a negative cursor", "WatchThread", {**_TALK, "after_sequence": -1}, "after_sequence"),
]

_GET = [
    Case(
        "a run that answered is shown",
        f"{_RUNS}/GetRun",
        {"run_id": "$run"},
        Reply(
            {
                "id": "$run",
                "conversation_key": "talk",
                "status": "RUN_STATUS_COMPLETED",
                "model": "first",
                "created_at": MOMENT,
                "started_at": MOMENT,
                "ended_at": MOMENT,
                "error": ABSENT,
                "usage": {"total_tokens": 7},
                "user_message_id": UUID,
                "attempt": 1,
            }
        ),
        (_MADE, _generated("Hi")),
    ),
    Case(
        "a run that failed says why",
        f"{_RUNS}/GetRun",
        {"run_id": "$run"},
        Reply(
            {
                "status": "RUN_STATUS_FAILED",
                "error": {"reason": "CONTEXT_TOO_LONG", "message": "as directed", "retry_after": ABSENT},
            }
        ),
        (_MADE, _generated("fail CONTEXT_TOO_LONG")),
    ),
    Case(
        "a run that waits has not started",
        f"{_RUNS}/GetRun",
        {"run_id": "$run"},
        Reply({"status": "RUN_STATUS_QUEUED", "started_at": ABSENT, "ended_at": ABSENT, "attempt": 0}),
        (_MADE, _sent("hold"), _sent("Hi")),
    ),
    Case("an absent run is not found", f"{_RUNS}/GetRun", _ABSENT_RUN, _RUN_NOT_FOUND),
    _bad("no id", "GetRun", {}, "run_id"),
]

_LIST = [
    Case(
        "runs are listed, the newest first",
        f"{_RUNS}/ListRuns",
        _TALK,
        Reply(
            {
                "runs": [{"status": "RUN_STATUS_FAILED"}, {"status": "RUN_STATUS_COMPLETED"}],
                "next_page_token": ABSENT,
            }
        ),
        (_MADE, _generated("Hi"), _generated("fail PROVIDER_TIMEOUT")),
    ),
    Case(
        "a page of runs says how to ask for the next",
        f"{_RUNS}/ListRuns",
        {**_TALK, "page_size": 1},
        Reply({"runs": [{"id": "$run"}], "next_page_token": TOKEN}),
        (_MADE, _generated("Hi"), _generated("Ho")),
    ),
    Case(
        "the next page of runs is the last",
        f"{_RUNS}/ListRuns",
        {**_TALK, "page_size": 1, "page_token": "$token"},
        Reply({"runs": [{"id": RUN_ID}], "next_page_token": ABSENT}),
        (
            _MADE,
            _generated("Hi"),
            _generated("Ho"),
            Call(f"{_RUNS}/ListRuns", {**_TALK, "page_size": 1}, keep={"token": "next_page_token"}),
        ),
    ),
    _bad("too large a page", "ListRuns", {**_TALK, "page_size": 1001}, "page_size"),
]

_CANCEL = [
    Case(
        "an active run is ended",
        f"{_RUNS}/CancelRun",
        {"run_id": "$run"},
        Reply({"id": "$run", "status": "RUN_STATUS_CANCELLED", "ended_at": MOMENT}),
        (_MADE, _sent("hold")),
    ),
    Case(
        "a run that waits is ended",
        f"{_RUNS}/CancelRun",
        {"run_id": "$run"},
        Reply({"status": "RUN_STATUS_CANCELLED", "started_at": ABSENT}),
        (_MADE, _sent("hold"), _sent("Hi")),
    ),
    Case(
        "a run that is over stays as it is",
        f"{_RUNS}/CancelRun",
        {"run_id": "$run"},
        Reply({"status": "RUN_STATUS_COMPLETED"}),
        (_MADE, _generated("Hi")),
    ),
    Case("an absent run is not ended", f"{_RUNS}/CancelRun", _ABSENT_RUN, _RUN_NOT_FOUND),
    _bad("no id", "CancelRun", {}, "run_id"),
]

_FOREIGN = [
    Case(f"{method}: {whose} {thing} is not found", f"{_RUNS}/{method}", request, refused, before, caller)
    for methods, request, refused, before, thing in [
        (("SendMessage", "Generate"), _message("Hi"), _CONVERSATION_NOT_FOUND, (_MADE,), "thread"),
        (("WatchThread", "ListRuns"), _TALK, _CONVERSATION_NOT_FOUND, (_MADE,), "thread"),
        (("StreamRun", "GetRun", "CancelRun"), {"run_id": "$run"}, _RUN_NOT_FOUND, (_MADE, _generated("Hi")), "run"),
    ]
    for method in methods
    for whose, caller in [("another user's", BERT), ("another tenant's", STRANGER)]
]

CASES = [*_SEND, *_GENERATE, *_STREAM, *_WATCH, *_GET, *_LIST, *_CANCEL, *_FOREIGN]
