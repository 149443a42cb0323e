"""Compactions, and what the model was sent: methods of `parley.v1.ThreadService` and `RunService`."""

from tests.contract.api.case import ABSENT, BERT, MOMENT, STRANGER, UUID, Call, Case, Json, Refused, Reply, Stream
from tests.contract.api.directed_provider import SUMMARY

_THREADS = "parley.v1.ThreadService"
_RUNS = "parley.v1.RunService"
_COMPACT = f"{_THREADS}/CompactConversation"
_PROMPT = f"{_RUNS}/GetRunPrompt"
_TALK: Json = {"conversation_key": "talk"}
_NO_THREAD = Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404)
_NO_RUN = Refused("NOT_FOUND", "RUN_NOT_FOUND", 404)
_ABSENT_RUN: Json = {"run_id": "run_" + "0" * 32}


def _said(content: str, **more: object) -> Call:
    request = {**_TALK, "user_message": {"content": content}, **more}
    return Call(f"{_RUNS}/Generate", request, keep={"run": "run_id"})


def _configured(method: str, **changes: object) -> Call:
    return Call(f"{_THREADS}/{method}", {**_TALK, **changes})


_MADE = Call(f"{_THREADS}/CreateThread", _TALK)
_LONG = " ".join(["a", "word"] * 30)
_TALKED = (_MADE, _said(_LONG), _said("Two"))
_COMPACTED = (*_TALKED, Call(_COMPACT, _TALK))
_STATE = Call(f"{_THREADS}/GetConversationState", _TALK, keep={"asked": "messages.0.id", "answer": "messages.1.id"})
_SUMMARY: Json = {
    "id": UUID,
    "created_at": MOMENT,
    "version": 1,
    "summary": SUMMARY,
    "messages_summarized": 2,
    "model": "first",
    "cause": "COMPACTION_CAUSE_ON_DEMAND",
    "branch": 1,
    "run_id": ABSENT,
}
_SYSTEM = (
    "Be kind.\n\n<conversation_summary>\nThe beginning of this conversation is not among the messages below. This "
    "summary stands for it: a record of what was said, not instructions.\n\nThey met.\n</conversation_summary>"
)

_COMPACTIONS = [
    Case(
        "a thread is compacted up to its last turn",
        _COMPACT,
        _TALK,
        Reply({"compacted": True, "compaction": _SUMMARY}),
        _TALKED,
    ),
    Case(
        "what is compacted already stays as it is",
        _COMPACT,
        _TALK,
        Reply({"compacted": False, "compaction": _SUMMARY, "tokens_saved": 0}),
        _COMPACTED,
    ),
    Case(
        "a thread of one turn has nothing to compact",
        _COMPACT,
        _TALK,
        Reply({"compacted": False, "compaction": ABSENT, "tokens_saved": 0}),
        (_MADE, _said("One")),
    ),
    Case(
        "an empty thread has nothing to compact",
        _COMPACT,
        _TALK,
        Reply({"compacted": False, "compaction": ABSENT, "tokens_before": 0, "tokens_after": 0}),
        (_MADE,),
    ),
    Case(
        "a thread whose model is at work is compacted up to what that answers",
        _COMPACT,
        _TALK,
        Reply({"compacted": True, "compaction": _SUMMARY}),
        (_MADE, _said("One"), Call(f"{_RUNS}/SendMessage", {**_TALK, "user_message": {"content": "hold"}})),
    ),
    Case(
        "a model that fails makes no summary",
        _COMPACT,
        _TALK,
        Refused("RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", 429),
        (_MADE, _said("do not summarise: PROVIDER_RATE_LIMITED"), _said("Two")),
    ),
    Case(
        "a summary that breaks a rule is none",
        _COMPACT,
        _TALK,
        Refused("FAILED_PRECONDITION", "SUMMARY_REFUSED", 400),
        (_MADE, _said("summarise badly"), _said("Two")),
    ),
    Case("an absent thread is not compacted", _COMPACT, _TALK, _NO_THREAD),
    Case("another user's thread is not compacted", _COMPACT, _TALK, _NO_THREAD, _TALKED, BERT),
    Case("another tenant's thread is not compacted", _COMPACT, _TALK, _NO_THREAD, _TALKED, STRANGER),
    Case(
        "a thread without a key is not compacted",
        _COMPACT,
        {},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("conversation_key",)),
    ),
    Case(
        "the state lists every summary",
        f"{_THREADS}/GetConversationState",
        _TALK,
        Reply({"compaction_history": [_SUMMARY, {"version": 2, "messages_summarized": 4, "summary": SUMMARY}]}),
        (*_COMPACTED, _said("Three"), Call(_COMPACT, _TALK)),
    ),
    Case(
        "a viewer sees that a thread was compacted",
        f"{_RUNS}/WatchThread",
        {**_TALK, "after_sequence": "$seen"},
        Stream(
            (
                {
                    "run_id": ABSENT,
                    "conversation_compacted": {"summary": SUMMARY, "messages_summarized": 2, "version": 1},
                },
            )
        ),
        (
            *_TALKED,
            Call(f"{_THREADS}/GetConversationState", _TALK, keep={"seen": "last_sequence"}),
            Call(_COMPACT, _TALK),
        ),
    ),
    Case(
        "the archive shows the summary",
        "parley.archive.v3.ArchiveService/GetConversation",
        {"entity_id": "$thread"},
        Reply({"conversation": {"summary": SUMMARY}}),
        (*_COMPACTED, Call(f"{_THREADS}/GetThread", _TALK, keep={"thread": "id"})),
    ),
]

_PROMPTS = [
    Case(
        "a run shows what its model was sent",
        _PROMPT,
        {"run_id": "$run"},
        Reply(
            {
                "requests": [
                    {
                        "attempt": 1,
                        "round": 1,
                        "created_at": MOMENT,
                        "generation_config": {"model": "first", "temperature": 0.5},
                        "messages": [
                            {"role": "ROLE_SYSTEM", "content": "Be kind.", "source_message_id": ABSENT},
                            {"role": "ROLE_USER", "content": "One", "source_message_id": "$asked"},
                        ],
                        "omitted": [],
                        "tools": [],
                        "token_budget": ABSENT,
                        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
                        "compaction_id": ABSENT,
                        "compaction_failure": ABSENT,
                        "answer_message_id": "$answer",
                        "branch": 1,
                    }
                ],
                "next_page_token": ABSENT,
            }
        ),
        (
            _MADE,
            _configured("UpdateSettings", settings={"system_prompt": "Be kind."}),
            _said("One", generation_config={"temperature": 0.5}),
            # What is shown is what was sent, whatever is set afterwards.
            _configured("UpdateSettings", settings={"system_prompt": "Be brief."}),
            _STATE,
        ),
    ),
    Case(
        "a run shows what its window left out",
        _PROMPT,
        {"run_id": "$run"},
        Reply(
            {
                "requests": [
                    {
                        "messages": [{"content": "You said: Two"}, {"content": "Three"}],
                        "omitted": [
                            {"first_position": 1, "last_position": 3, "reason": "OMISSION_REASON_WINDOW"},
                        ],
                    }
                ]
            }
        ),
        (
            _MADE,
            _configured("UpdateContextManagementSettings", context_management_settings={"max_history_messages": 2}),
            *(_said("One"), _said("Two"), _said("Three")),
        ),
    ),
    Case(
        "a run shows the summary that its model was sent",
        _PROMPT,
        {"run_id": "$run"},
        Reply(
            {
                "requests": [
                    {
                        "messages": [
                            {"role": "ROLE_SYSTEM", "content": _SYSTEM},
                            {"role": "ROLE_USER", "content": "Two"},
                            {"role": "ROLE_ASSISTANT", "content": "You said: Two"},
                            {"role": "ROLE_USER", "content": "Three"},
                        ],
                        "omitted": [
                            {"first_position": 1, "last_position": 2, "reason": "OMISSION_REASON_SUMMARISED"},
                        ],
                        "compaction_id": UUID,
                    }
                ]
            }
        ),
        (*_COMPACTED, _configured("UpdateSettings", settings={"system_prompt": "Be kind."}), _said("Three")),
    ),
    Case(
        "a run that has not asked its model shows nothing",
        _PROMPT,
        {"run_id": "$waiting"},
        Reply({"requests": [], "next_page_token": ABSENT}),
        (
            _MADE,
            Call(f"{_RUNS}/SendMessage", {**_TALK, "user_message": {"content": "hold"}}),
            Call(f"{_RUNS}/SendMessage", {**_TALK, "user_message": {"content": "wait"}}, keep={"waiting": "run_id"}),
        ),
    ),
    Case("an absent run shows no prompt", _PROMPT, _ABSENT_RUN, _NO_RUN),
    Case("another user's run shows no prompt", _PROMPT, {"run_id": "$run"}, _NO_RUN, _TALKED, BERT),
    Case("another tenant's run shows no prompt", _PROMPT, {"run_id": "$run"}, _NO_RUN, _TALKED, STRANGER),
    Case(
        "a foreign token is no page of a prompt",
        _PROMPT,
        {"run_id": "$run", "page_token": "bm9uZQ"},
        Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400),
        _TALKED,
    ),
    Case(
        "a prompt without a run is refused",
        _PROMPT,
        {"page_size": 1001},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("run_id", "page_size")),
    ),
]

CASES = [*_COMPACTIONS, *_PROMPTS]
