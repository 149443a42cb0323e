"""`parley.conversations.v1`: organizations, their members and models."""

from tests.contract.api.case import (
    ABSENT,
    ANNA,
    BERT,
    MOMENT,
    STRANGER,
    UNKNOWN_ID,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Refused,
    Reply,
    Stream,
)
from tests.contract.api.cases.conversation_calls import HERE, MADE, NOT_A_MEMBER, OPENED, PACKAGE, SERVICE, bad, chat

_ORGANIZATIONS = f"{PACKAGE}.OrganizationService"
_LIST = f"{_ORGANIZATIONS}/ListOrganizations"
_CREATE = f"{_ORGANIZATIONS}/CreateOrganization"
_MEMBERS = f"{_ORGANIZATIONS}/ListMembers"
_SET = f"{_ORGANIZATIONS}/SetMember"
_REMOVE = f"{_ORGANIZATIONS}/RemoveMember"
_MODELS = f"{PACKAGE}.ModelService/ListModels"
_ADD = f"{PACKAGE}.ModelService/AddModel"
_ROLE_MISSING = Refused("PERMISSION_DENIED", "ROLE_MISSING", 403)
_LAST_OWNER = Refused("FAILED_PRECONDITION", "LAST_OWNER", 400)
_NO_USER = Refused("NOT_FOUND", "USER_NOT_FOUND", 404)
_CARL = Caller(user="carl")
_ANNA_CAME, _BERT_CAME, _CARL_CAME = (Call(_LIST, {}, caller=caller) for caller in (ANNA, BERT, _CARL))


def _member(user: str, role: str) -> Json:
    return {**HERE, "member": {"user": user, "role": f"MEMBER_ROLE_{role}"}}


def _made(user: str, role: str, by: Caller = ANNA) -> Call:
    return Call(_SET, _member(user, role), caller=by)


_BERT_IS_ADMIN = (_ANNA_CAME, _BERT_CAME, _CARL_CAME, _made("bert", "ADMIN"))


def _model(name: str, provider: str = "scripted") -> Json:
    return {**HERE, "model": {"provider": provider, "name": name}}


_OF_CALLERS = [
    Case(
        "the default organization is there from the start",
        _LIST,
        {},
        Reply({"organizations": [{"id": "$organization", "role": "Owner", "created_at": MOMENT}]}),
    ),
    Case("who comes later is a member", _LIST, {}, Reply({"organizations": [{"role": "Member"}]}), (_ANNA_CAME,), BERT),
    Case(
        "an organization is made",
        _CREATE,
        {"name": "Acme & Söhne"},
        Reply({"organization": {"id": UUID, "name": "Acme & Söhne", "role": "Owner", "created_at": MOMENT}}),
    ),
    Case(
        "an organization is its maker's",
        _LIST,
        {},
        Reply({"organizations": [{"name": "Acme", "role": "Owner"}, {"name": "Default", "role": "Member"}]}),
        (_ANNA_CAME, Call(_CREATE, {"name": "Acme"}, caller=BERT)),
        BERT,
    ),
    Case(
        "nobody else is in a new organization",
        _LIST,
        {},
        Reply({"organizations": [{"name": "Default"}]}),
        (Call(_CREATE, {"name": "Acme"}),),
        BERT,
    ),
    Case(
        "a name is taken, whoever took it",
        _CREATE,
        {"name": "Acme"},
        Refused("ALREADY_EXISTS", "ORGANIZATION_NAME_TAKEN", 409),
        (Call(_CREATE, {"name": "Acme"}),),
        BERT,
    ),
    Case(
        "a name is taken within its tenant only",
        _CREATE,
        {"name": "Acme"},
        Reply({"organization": {"name": "Acme"}}),
        (Call(_CREATE, {"name": "Acme"}),),
        STRANGER,
    ),
    *(
        bad(what, _CREATE, {"name": name}, "name")
        for what, name in {"no name": "", "a long name": "x" * 256, "a blank name": " ", "blanks": " Acme "}.items()
    ),
]

_BY_ADMINS: list[tuple[str, str, Json, Reply | Refused]] = [
    ("makes admins", _SET, _member("carl", "ADMIN"), Reply({"member": {"role": "MEMBER_ROLE_ADMIN"}})),
    ("makes no owners", _SET, _member("carl", "OWNER"), _ROLE_MISSING),
    ("does not make itself an owner", _SET, _member("bert", "OWNER"), _ROLE_MISSING),
    ("unmakes no owners", _SET, _member("anna", "MEMBER"), _ROLE_MISSING),
    ("removes no owners", _REMOVE, {**HERE, "user": "anna"}, _ROLE_MISSING),
    ("removes members", _REMOVE, {**HERE, "user": "carl"}, Reply({"member": {"is_active": False}})),
]
_OF_MEMBERS = [
    Case(
        "members are listed by name, removed ones included",
        _MEMBERS,
        HERE,
        Reply(
            {
                "members": [
                    {"user": "anna", "role": "MEMBER_ROLE_OWNER", "is_active": True, "created_at": MOMENT},
                    {"user": "bert", "role": "MEMBER_ROLE_MEMBER", "is_active": False},
                    {"user": "carl", "role": "MEMBER_ROLE_GUEST", "is_active": True},
                ]
            }
        ),
        (
            *(_ANNA_CAME, _CARL_CAME, _BERT_CAME),
            *(_made("carl", "GUEST"), Call(_REMOVE, {**HERE, "user": "bert"})),
        ),
    ),
    Case(
        "a member gets another role",
        _SET,
        _member("bert", "ADMIN"),
        Reply({"member": {"user": "bert", "role": "MEMBER_ROLE_ADMIN", "is_active": True, "created_at": MOMENT}}),
        (_ANNA_CAME, _BERT_CAME),
    ),
    Case(
        "a removed member comes back with a role",
        _LIST,
        {},
        Reply({"organizations": [{"role": "Guest"}]}),
        (_ANNA_CAME, _BERT_CAME, Call(_REMOVE, {**HERE, "user": "bert"}), _made("bert", "GUEST")),
        BERT,
    ),
    Case("who is no user becomes no member", _SET, _member("nobody", "GUEST"), _NO_USER),
    Case(
        "another tenant's user becomes no member",
        _SET,
        _member("eve", "GUEST"),
        _NO_USER,
        (Call(_LIST, {}, caller=Caller(user="eve", tenant="-elsewhere")),),
    ),
    Case("the last owner is not demoted", _SET, _member("anna", "ADMIN"), _LAST_OWNER),
    Case("the last owner is not removed", _REMOVE, {**HERE, "user": "anna"}, _LAST_OWNER),
    Case(
        "a removed owner is no owner",
        _SET,
        _member("anna", "GUEST"),
        _LAST_OWNER,
        (_ANNA_CAME, _BERT_CAME, _made("bert", "OWNER"), Call(_REMOVE, {**HERE, "user": "bert"})),
    ),
    Case(
        "one owner of two may go",
        _REMOVE,
        {**HERE, "user": "anna"},
        Reply({"member": {"user": "anna", "role": "MEMBER_ROLE_OWNER", "is_active": False}}),
        (_ANNA_CAME, _BERT_CAME, _made("bert", "OWNER")),
    ),
    *(
        Case(
            f"an admin {what}", rpc, request, wants, (_ANNA_CAME, _BERT_CAME, _CARL_CAME, _made("bert", "ADMIN")), BERT
        )
        for what, rpc, request, wants in _BY_ADMINS
    ),
    Case("who never was a member cannot be removed", _REMOVE, {**HERE, "user": "nobody"}, _NO_USER),
    Case(
        "who was removed is removed",
        _REMOVE,
        {**HERE, "user": "bert"},
        Reply({"member": {"user": "bert", "is_active": False}}),
        (_ANNA_CAME, _BERT_CAME, Call(_REMOVE, {**HERE, "user": "bert"})),
    ),
    bad("no user and no role", _SET, {**HERE, "member": {}}, "member.user", "member.role"),
    bad("a role that is none", _SET, {**HERE, "member": {"user": "bert", "role": 7}}, "member.role"),
    bad("nobody to remove", _REMOVE, HERE, "user"),
]

_OF_MODELS = [
    Case(
        "models are listed, the default one first",
        _MODELS,
        HERE,
        Reply(
            {
                "models": [
                    {
                        "id": UUID,
                        "name": "first",
                        "provider": "scripted",
                        "version": ABSENT,
                        "is_active": True,
                        "config": {
                            "accepts": [
                                *("application/pdf", "audio/mpeg", "audio/wav"),
                                *("image/gif", "image/jpeg", "image/png", "image/webp"),
                            ]
                        },
                    },
                    {"name": "second", "config": {}},
                ]
            }
        ),
    ),
    Case(
        "a model is added",
        _ADD,
        _model("third-2026-01-31"),
        Reply(
            {
                "model": {
                    "id": UUID,
                    "name": "third-2026-01-31",
                    "provider": "scripted",
                    "version": "2026-01-31",
                    "is_active": True,
                    "config": {},
                }
            }
        ),
    ),
    Case(
        "added models are listed behind the configured ones, for every member",
        _MODELS,
        HERE,
        Reply(
            {"models": [{"name": "first"}, {"name": "second"}, {"id": "$added", "name": "third", "is_active": True}]}
        ),
        (Call(_ADD, _model("third"), keep={"added": "model.id"}),),
        BERT,
    ),
    Case(
        "a model that is there already stays",
        _ADD,
        _model("third"),
        Reply({"model": {"id": "$added"}}),
        (Call(_ADD, _model("third"), keep={"added": "model.id"}),),
    ),
    Case(
        "a configured model is there already",
        _ADD,
        _model("second"),
        Reply({"model": {"id": "$model"}}),
        (Call(_MODELS, HERE, keep={"model": "models.1.id"}),),
    ),
    Case(
        "a model is the organization's that added it",
        f"{SERVICE}/CreateSession",
        {**HERE, "session": {"conversation_id": "$conversation", "model_id": "$model"}},
        Refused("INVALID_ARGUMENT", "UNKNOWN_MODEL", 400),
        (
            MADE,
            Call(_CREATE, {"name": "Other"}, keep={"other": "organization.id"}),
            Call(_ADD, {**_model("third"), "org_id": "$other"}, keep={"model": "model.id"}),
        ),
    ),
    Case(
        "an added model answers",
        f"{SERVICE}/StreamChat",
        chat("Hi"),
        Stream(begins=({"start": {"message_id": UUID}}, {"content": {"content": "You said: Hi"}}), ends=({"end": {}},)),
        (MADE, Call(_ADD, _model("third"), keep={"model": "model.id"}), OPENED),
    ),
    Case(
        "an answer names the added model that gave it",
        f"{SERVICE}/ListMessages",
        {**HERE, "conversation_id": "$conversation"},
        Reply({"messages": [{"model_id": ABSENT}, {"content": "You said: Hi", "model_id": "$model"}]}),
        (
            *(MADE, Call(_ADD, _model("third"), keep={"model": "model.id"}), OPENED),
            Call(f"{SERVICE}/StreamChat", chat("Hi")),
        ),
    ),
    Case(
        "a provider that nobody configured",
        _ADD,
        _model("third", provider="nobody"),
        Refused("INVALID_ARGUMENT", "UNKNOWN_PROVIDER", 400),
    ),
    bad("no provider and no name", _ADD, {**HERE, "model": {}}, "model.provider", "model.name"),
    bad("a name with a blank", _ADD, _model("third model"), "model.name"),
    bad("a long name", _ADD, _model("x" * 256), "model.name"),
]

_OF_AN_ORGANIZATION: dict[str, Json] = {
    _MEMBERS: {},
    _SET: {"member": {"user": "bert", "role": "MEMBER_ROLE_GUEST"}},
    _REMOVE: {"user": "bert"},
    _MODELS: {},
    _ADD: {"model": {"provider": "scripted", "name": "third"}},
}
_ACCESS = [
    case
    for rpc, request in _OF_AN_ORGANIZATION.items()
    for case in (
        Case(f"{rpc}: another tenant's organization", rpc, {**HERE, **request}, NOT_A_MEMBER, caller=STRANGER),
        Case(f"{rpc}: an absent organization", rpc, {"org_id": UNKNOWN_ID, **request}, NOT_A_MEMBER),
        bad("an organization that is none", rpc, {"org_id": "acme", **request}, "org_id"),
        bad("no organization", rpc, request, "org_id"),
    )
]

CASES = [*_OF_CALLERS, *_OF_MEMBERS, *_OF_MODELS, *_ACCESS]
