"""`parley.v1.SearchService`: what is found of what was said, and by whom."""

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
)

_SEARCH = "parley.v1.SearchService/SearchMessages"
_THREADS = "parley.v1.ThreadService"
_MADE = Call(f"{_THREADS}/CreateThread", {"name": "Talk", "conversation_key": "talk"})
_EMPTY = Refused("INVALID_ARGUMENT", "SEARCH_QUERY_EMPTY", 400)
_BAD_TOKEN = Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400)
_NOTHING = Reply({"hits": [], "next_page_token": ABSENT, "partial": False})


def _said(content: str, *, key: str = "talk", rpc: str = "Generate") -> Call:
    return Call(f"parley.v1.RunService/{rpc}", {"conversation_key": key, "user_message": {"content": content}})


_TALK = (_MADE, _said("Where is the brown fox?"), _said("The Käse is 😀 here"))
"""Every message is answered with `You said: …`."""


def _found(name: str, request: Json, *texts: str) -> Case:
    return Case(
        f"search: {name}", _SEARCH, request, Reply({"hits": [{"snippet": {"text": text}} for text in texts]}), _TALK
    )


def _bad(name: str, request: Json, *fields: str) -> Case:
    wants = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields)
    return Case(f"search: {name}", _SEARCH, {"query": "fox", **request}, wants)


_QUESTION, _ANSWER = "Where is the brown fox?", "You said: Where is the brown fox?"
_CHEESE, _OF_CHEESE = "The Käse is 😀 here", "You said: The Käse is 😀 here"

CASES = [
    Case(
        "search: messages are found, the newest first",
        _SEARCH,
        {"query": "BROWN fox"},
        Reply(
            {
                "hits": [
                    {
                        "message_id": UUID,
                        "conversation_key": "talk",
                        "role": "ROLE_ASSISTANT",
                        "status": "MESSAGE_STATUS_COMPLETE",
                        "created_at": MOMENT,
                        "run_id": RUN_ID,
                        "branch": ABSENT,
                        "snippet": {
                            "text": _ANSWER,
                            "highlights": [{"start": 23, "end": 28}, {"start": 29, "end": 32}],
                            "begins_message": True,
                            "ends_message": True,
                        },
                    },
                    {"role": "ROLE_USER", "model": ABSENT, "snippet": {"text": _QUESTION}},
                ],
                "next_page_token": ABSENT,
                "partial": False,
            }
        ),
        _TALK,
    ),
    Case(
        "search: highlights count UTF-16 code units",
        _SEARCH,
        {"query": "kase here", "roles": ["ROLE_USER"]},
        Reply(
            {"hits": [{"snippet": {"text": _CHEESE, "highlights": [{"start": 4, "end": 8}, {"start": 15, "end": 19}]}}]}
        ),
        _TALK,
    ),
    _found("a phrase", {"query": '"brown fox"'}, _ANSWER, _QUESTION),
    _found("a phrase that is not closed", {"query": 'is "brown fox'}, _ANSWER, _QUESTION),
    _found("no phrase", {"query": '"fox brown"'}),
    _found("an excluded word", {"query": "the -fox"}, _OF_CHEESE, _CHEESE),
    _found("an excluded phrase", {"query": 'the -"brown fox"'}, _OF_CHEESE, _CHEESE),
    _found("a beginning", {"query": "bro*"}, _ANSWER, _QUESTION),
    _found("operators are words", {"query": "fox OR kase"}),
    _found("columns are words", {"query": "words:fox"}),
    _found("a quote within quotes", {"query": '"fox" OR words MATCH "x'}),
    _found("U+0000 separates words", {"query": "brown\u0000fox"}, _ANSWER, _QUESTION),
    _found("a role", {"query": "fox", "roles": ["ROLE_USER"]}, _QUESTION),
    _found("a status", {"query": "fox", "statuses": ["MESSAGE_STATUS_FAILED"]}),
    _found("a thread", {"query": "fox", "conversation_key": "talk", "roles": ["ROLE_USER"]}, _QUESTION),
    _found("a model that wrote nothing", {"query": "fox", "model": "nobody"}),
    _found("a time to come", {"query": "fox", "since": "2999-01-01T00:00:00Z"}),
    _found("a time long ago", {"query": "fox", "until": "2001-01-01T00:00:00Z"}),
    _found("one moment is no time", {"query": "fox", "since": "2001-01-01T00:00:00Z", "until": "2001-01-01T00:00:00Z"}),
    _found("by relevance", {"query": "fox", "order": "SEARCH_ORDER_RELEVANCE"}, _QUESTION, _ANSWER),
    Case(
        "search: hits come in pages",
        _SEARCH,
        {"query": "fox", "page_size": 1},
        Reply({"hits": [{"role": "ROLE_ASSISTANT"}], "next_page_token": TOKEN}),
        _TALK,
    ),
    Case(
        "search: pages go on",
        _SEARCH,
        {"query": "fox", "page_size": 1, "page_token": "$next"},
        Reply({"hits": [{"role": "ROLE_USER"}], "next_page_token": ABSENT}),
        (*_TALK, Call(_SEARCH, {"query": "fox", "page_size": 1}, {"next": "next_page_token"}), _said("fox")),
    ),
    Case(
        "search: the page of another search",
        _SEARCH,
        {"query": "fox brown", "page_size": 1, "page_token": "$next"},
        _BAD_TOKEN,
        (*_TALK, Call(_SEARCH, {"query": "fox", "page_size": 1}, {"next": "next_page_token"})),
    ),
    Case(
        "search: the page of another caller",
        _SEARCH,
        {"query": "fox", "page_size": 1, "page_token": "$next"},
        _BAD_TOKEN,
        (*_TALK, Call(_SEARCH, {"query": "fox", "page_size": 1}, {"next": "next_page_token"})),
        BERT,
    ),
    Case("search: a forged page", _SEARCH, {"query": "fox", "page_token": "x"}, _BAD_TOKEN),
    Case("search: a page of something else", _SEARCH, {"query": "fox", "page_token": "WyJhdWRpdCJd"}, _BAD_TOKEN),
    Case("search: a colleague finds nothing", _SEARCH, {"query": "fox"}, _NOTHING, _TALK, BERT),
    Case("search: a stranger finds nothing", _SEARCH, {"query": "fox"}, _NOTHING, _TALK, STRANGER),
    Case(
        "search: a colleague's thread is none",
        _SEARCH,
        {"query": "fox", "conversation_key": "talk"},
        Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404),
        _TALK,
        BERT,
    ),
    Case(
        "search: nothing is found of a thread that is gone",
        _SEARCH,
        {"query": "fox", "all_branches": True},
        _NOTHING,
        (*_TALK, Call(f"{_THREADS}/DeleteThread", {"conversation_key": "talk"})),
    ),
    Case(
        "search: what waits is found when it is named",
        _SEARCH,
        {"query": "fox", "statuses": ["MESSAGE_STATUS_QUEUED"]},
        Reply({"hits": [{"status": "MESSAGE_STATUS_QUEUED", "snippet": {"text": "A fox"}}]}),
        (_MADE, _said("hold", rpc="SendMessage"), _said("A fox", rpc="SendMessage")),
    ),
    Case("search: no query", _SEARCH, {}, _EMPTY),
    Case("search: spaces", _SEARCH, {"query": "  \t\n "}, _EMPTY),
    Case("search: punctuation", _SEARCH, {"query": "*** -- \" : ' & | ! ( ) <-> ^ 😀"}, _EMPTY),
    Case("search: nothing but excluded words", _SEARCH, {"query": '-fox -"brown fox"'}, _EMPTY),
    _bad("ten kilobytes", {"query": "fox " * 2500}, "query"),
    _bad("too many words", {"query": " ".join(f"w{number}" for number in range(33))}, "query"),
    _bad("too long a phrase", {"query": f'"{" ".join(f"w{number}" for number in range(65))}"'}, "query"),
    _bad("a role that is none", {"roles": [77]}, "roles[0]"),
    _bad("a role that is nobody's", {"roles": ["ROLE_USER", "ROLE_UNSPECIFIED"]}, "roles[1]"),
    _bad("a status that is none", {"statuses": [77]}, "statuses[0]"),
    _bad("an order that is none", {"order": 77}, "order"),
    _bad("a negative page", {"page_size": -1}, "page_size"),
    _bad("a page of too many", {"page_size": 101}, "page_size"),
    _bad("a time that runs back", {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
]
