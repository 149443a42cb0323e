"""`parley.v1.WebhookService`: who outside is told of what happens in a tenant."""

from tests.contract.api.case import (
    ABSENT,
    BERT,
    MOMENT,
    STRANGER,
    UNKNOWN_ID,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Matching,
    Refused,
    Reply,
)

_CREATE, _LIST, _GET, _UPDATE, _DELETE, _ROTATE, _DELIVERIES, _REDELIVER, _PING = (
    f"parley.v1.WebhookService/{name}"
    for name in (
        *("CreateWebhook", "ListWebhooks", "GetWebhook", "UpdateWebhook", "DeleteWebhook", "RotateWebhookSecret"),
        *("ListWebhookDeliveries", "RedeliverWebhook", "PingWebhook"),
    )
)
_URL = "https://hooks.invalid/parley"
_SECRET = Matching(r"whsec_[A-Za-z0-9+/]{43}=")
_MADE = Call(_CREATE, {"url": _URL}, {"hook": "webhook.id"})
_DISABLED = Call(_UPDATE, {"webhook_id": "$hook", "enabled": False})
_PINGED = Call(_PING, {"webhook_id": "$hook"}, {"delivery": "delivery_id"})
_HOOK: Json = {"webhook_id": "$hook"}
_NOT_FOUND = Refused("NOT_FOUND", "WEBHOOK_NOT_FOUND", 404)


def _bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return Case(f"webhook: {name}", rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields))


CASES = [
    Case(
        "webhook: a new one is enabled, is told of everything, and its secret is shown",
        _CREATE,
        {"url": _URL, "description": "of ours"},
        Reply(
            {
                "webhook": {
                    "id": UUID,
                    "url": _URL,
                    "description": "of ours",
                    "enabled": True,
                    "events": [],
                    "include_content": False,
                    "created_by": "anna",
                    "created_at": MOMENT,
                    "updated_at": MOMENT,
                    "previous_secret_until": ABSENT,
                    "failing_since": ABSENT,
                    "dropped_events": "0",
                },
                "secret": _SECRET,
            }
        ),
    ),
    Case(
        "webhook: one may be told of some things alone, of answers too, and begin disabled",
        _CREATE,
        {
            "url": "https://hooks.invalid:8443/a?b=c",
            "events": ["WEBHOOK_EVENT_RUN_COMPLETED"],
            "include_content": True,
            "disabled": True,
        },
        Reply(
            {
                "webhook": {
                    "enabled": False,
                    "disabled_reason": "WEBHOOK_DISABLED_REASON_BY_USER",
                    "events": ["WEBHOOK_EVENT_RUN_COMPLETED"],
                    "include_content": True,
                }
            }
        ),
    ),
    *(
        _bad(f"no webhook goes to {what}", _CREATE, {"url": url}, "url")
        for what, url in {
            "nowhere": "",
            "what is sent in the clear": "http://hooks.invalid/",
            "a file": "file:///etc/passwd",
            "a host without a name": "https:///parley",
            "somebody with a password": "https://anna:secret@hooks.invalid/",
            "a part of a page": "https://hooks.invalid/#top",
            "another service's port": "https://hooks.invalid:25/",
            "no port at all": "https://hooks.invalid:port/",
            "another line": "https://hooks.invalid/\nhost: elsewhere",
            "what is no ASCII": "https://hööks.invalid/",
            "a backslash": "https://hooks.invalid\\@elsewhere.invalid/",
            "a very long URL": f"https://hooks.invalid/{'x' * 2048}",
        }.items()
    ),
    _bad("an event must be one", _CREATE, {"url": _URL, "events": [77]}, "events[0]"),
    _bad(
        "tests are for whoever asks for them",
        _CREATE,
        {"url": _URL, "events": ["WEBHOOK_EVENT_TEST"]},
        "events[0]",
    ),
    _bad(
        "nothing is told twice",
        _CREATE,
        {"url": _URL, "events": ["WEBHOOK_EVENT_RUN_FAILED", "WEBHOOK_EVENT_RUN_FAILED"]},
        "events",
    ),
    Case(
        "webhook: a tenant has no more than it may have",
        _CREATE,
        {"url": _URL},
        Refused("RESOURCE_EXHAUSTED", "TOO_MANY_WEBHOOKS", 429),
        before=(_MADE,) * 10,
    ),
    Case(
        "webhook: whoever talks makes none",
        _CREATE,
        {"url": _URL},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        caller=Caller(scopes=("conversations:read", "conversations:write", "keys:admin")),
    ),
    Case(
        "webhook: administrators see each other's",
        _GET,
        _HOOK,
        Reply({"id": "$hook", "url": _URL, "created_by": "anna"}),
        before=(_MADE,),
        caller=BERT,
    ),
    Case("webhook: one is found by its id", _GET, _HOOK, Reply({"id": "$hook", "url": _URL}), before=(_MADE,)),
    Case("webhook: another tenant's is none", _GET, _HOOK, _NOT_FOUND, before=(_MADE,), caller=STRANGER),
    Case("webhook: there is none of that id", _GET, {"webhook_id": UNKNOWN_ID}, _NOT_FOUND),
    _bad("one must be named", _GET, {"webhook_id": ""}, "webhook_id"),
    Case(
        "webhook: they are listed, the newest first",
        _LIST,
        {},
        Reply({"webhooks": [{"id": "$newer"}, {"id": "$hook"}], "next_page_token": ABSENT}),
        before=(_MADE, Call(_CREATE, {"url": _URL}, {"newer": "webhook.id"})),
    ),
    Case(
        "webhook: the list goes on",
        _LIST,
        {"page_size": 1, "page_token": "$page"},
        Reply({"webhooks": [{"id": "$hook"}], "next_page_token": ABSENT}),
        before=(
            _MADE,
            Call(_CREATE, {"url": _URL}),
            Call(_LIST, {"page_size": 1}, {"page": "next_page_token"}),
        ),
    ),
    Case(
        "webhook: a token is this list's",
        _LIST,
        {"page_token": "bm90aGluZw"},
        Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400),
    ),
    Case(
        "webhook: what is changed is changed, and the rest stays",
        _UPDATE,
        {**_HOOK, "url": "https://elsewhere.invalid/", "subscription": {"events": ["WEBHOOK_EVENT_RUN_FAILED"]}},
        Reply(
            {
                "id": "$hook",
                "url": "https://elsewhere.invalid/",
                "events": ["WEBHOOK_EVENT_RUN_FAILED"],
                "enabled": True,
                "description": "",
            }
        ),
        before=(_MADE,),
    ),
    Case(
        "webhook: a disabled one is enabled again",
        _UPDATE,
        {**_HOOK, "enabled": True},
        Reply({"enabled": True, "disabled_reason": "WEBHOOK_DISABLED_REASON_UNSPECIFIED"}),
        before=(_MADE, _DISABLED),
    ),
    _bad("it is moved nowhere", _UPDATE, {"webhook_id": UNKNOWN_ID, "url": "ftp://hooks.invalid/"}, "url"),
    Case("webhook: nobody changes another tenant's", _UPDATE, _HOOK, _NOT_FOUND, before=(_MADE,), caller=STRANGER),
    Case("webhook: one is deleted", _DELETE, _HOOK, Reply({}), before=(_MADE,)),
    Case("webhook: it is gone then", _GET, _HOOK, _NOT_FOUND, before=(_MADE, _PINGED, Call(_DELETE, _HOOK))),
    Case("webhook: nobody deletes another tenant's", _DELETE, _HOOK, _NOT_FOUND, before=(_MADE,), caller=STRANGER),
    Case(
        "webhook: a new secret comes, and the old one counts for a while",
        _ROTATE,
        _HOOK,
        Reply({"webhook": {"id": "$hook", "previous_secret_until": MOMENT}, "secret": _SECRET}),
        before=(_MADE,),
    ),
    Case(
        "webhook: or no longer",
        _ROTATE,
        {**_HOOK, "overlap_hours": 0},
        Reply({"webhook": {"previous_secret_until": ABSENT}, "secret": _SECRET}),
        before=(_MADE,),
    ),
    _bad("but not for ever", _ROTATE, {"webhook_id": UNKNOWN_ID, "overlap_hours": 169}, "overlap_hours"),
    Case("webhook: nobody rotates another tenant's", _ROTATE, _HOOK, _NOT_FOUND, before=(_MADE,), caller=STRANGER),
    Case("webhook: a test is queued", _PING, _HOOK, Reply({"delivery_id": UUID}), before=(_MADE,)),
    Case(
        "webhook: nothing is sent to a disabled one",
        _PING,
        _HOOK,
        Refused("FAILED_PRECONDITION", "WEBHOOK_IS_DISABLED", 400),
        before=(_MADE, _DISABLED),
    ),
    Case("webhook: nobody tests another tenant's", _PING, _HOOK, _NOT_FOUND, before=(_MADE,), caller=STRANGER),
    Case(
        "webhook: a test is among the deliveries",
        _DELIVERIES,
        _HOOK,
        Reply(
            {
                "deliveries": [
                    {
                        "id": "$delivery",
                        "webhook_id": "$hook",
                        "event": "WEBHOOK_EVENT_TEST",
                        "message_id": Matching("msg_[0-9a-f]{32}"),
                        "conversation_id": ABSENT,
                        "sequence": "0",
                        "occurred_at": MOMENT,
                        "run_id": ABSENT,
                    }
                ],
                "next_page_token": ABSENT,
            }
        ),
        before=(_MADE, _PINGED),
    ),
    Case(
        "webhook: deliveries are listed by where they stand",
        _DELIVERIES,
        {**_HOOK, "state": "WEBHOOK_DELIVERY_STATE_DELIVERED"},
        Reply({"deliveries": []}),
        before=(_MADE, _PINGED),
    ),
    Case(
        "webhook: nobody lists what another tenant's is told",
        _DELIVERIES,
        _HOOK,
        _NOT_FOUND,
        before=(_MADE,),
        caller=STRANGER,
    ),
    Case(
        "webhook: a delivery is made again",
        _REDELIVER,
        {**_HOOK, "delivery_id": "$delivery"},
        Reply({"delivery_id": "$delivery"}),
        before=(_MADE, _PINGED),
    ),
    Case(
        "webhook: no such delivery",
        _REDELIVER,
        {**_HOOK, "delivery_id": UNKNOWN_ID},
        Refused("NOT_FOUND", "WEBHOOK_DELIVERY_NOT_FOUND", 404),
        before=(_MADE,),
    ),
    Case(
        "webhook: nobody redelivers another tenant's",
        _REDELIVER,
        {**_HOOK, "delivery_id": "$delivery"},
        _NOT_FOUND,
        before=(_MADE, _PINGED),
        caller=STRANGER,
    ),
]
