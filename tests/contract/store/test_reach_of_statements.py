"""Which statements see rows of others than one owner, and why: each is listed here with its reason, a new one fails.

One place adds tenant and owner to every query, `statement.owned`. What does not come from there, or names a table
beside the one that it binds, stands below.
"""

import re
from typing import Final

import pytest
from sqlalchemy import Insert

from server.adapters.store.dialects import SQLITE
from server.adapters.store.statement import Foreign, OfTenant, Owned
from server.adapters.store.tables import METADATA
from tests.contract.store.test_statements import ALL, OWNED

UNBOUND: Final = {
    "archive._FOREIGN": "tells that a conversation is another user's of the tenant, and no column of it",
    "audit._OF_TENANT": "the tenant's audit, for whoever has the scope audit:read",
    "audit._ADD": "what operators did, and what callers were refused, in the name of the service",
    "keys._BY_DIGEST": "who calls is known only once the key is found",
    "keys._ALL": "`parley keys list`, for operators",
    "keys._ADD": "`parley keys create`, for operators",
    "keys._SAVE": "`parley keys rotate`, for operators",
    "keys._REVOKE": "`parley keys revoke`, for operators",
    "keys._USAGE": "`parley keys usage`, for operators",
    "keys._BY_ID": "whether a call that is under way may go on by its key",
    "keys._COUNT": "requests of all keys are counted together, some seconds at a time",
    "keys._USED": "likewise when they were last used",
    "provisioning._ADD_USER": "a user comes into being with the first call",
    "provisioning._ADD_ORGANIZATION": "likewise the tenant's default organization",
    "provisioning._ADD_MEMBERSHIP": "likewise the membership of it",
    "provisioning._ANY_MEMBER": "whether the user is the tenant's first",
    "provisioning._FIND": "whoever calls is looked up before anything is done in their name",
    "members._OF_TENANT": "`parley members list`, for operators",
    "members._LOCK_BY_NAME": "`parley members set`, for operators",
    "members._MEMBERS": "`parley members set`, for operators",
    "members._SET": "`parley members set`, for operators",
    "leases._RENEW": "a worker's leases, whoever's runs it holds",
    "leases._VOID": "the leases of a process that is gone",
    "leases._VOID_EXTRACTIONS": "likewise what it was taking memories from",
    "leases._VOID_VOICE": "likewise those on its voice sessions",
    "leases._RELEASE": "a worker gives a run back",
    "leases._ABANDONED": "runs without a worker, whoever's they are",
    "leases._STARTABLE": "likewise those that wait for one",
    "message_words.ADD_WORDS_OF_ANYBODY": "messages of before there was a search, whoever's they are",
    "message_indexing.ADD_WORDS_OF_ANYBODY": "likewise",
    "message_indexing._NEXT": "likewise",
    "message_indexing._READ": "how far the index of messages is",
    "message_indexing._LOCK": "likewise",
    "message_indexing._INDEXED": "likewise",
    "message_indexing._REMOVING": "likewise",
    "all_storage._KNOWN_STORED": "contents that no file names are swept away",
    "all_storage._KNOWN_OF_CONVERSATIONS": "likewise",
    "all_storage._TAKE": "whose leave to upload a signed URL stands for is known only once it is found",
    "all_storage._OWNER": "likewise whose file may be downloaded",
    "retention._FORGET_GRANTS": "what is too old goes, whoever's it is",
    "retention._FORGET_REQUESTS": "what is too old goes, whoever's it is",
    "retention._FORGET_ANSWERS": "likewise answers of the cache",
    "outbox._WANT": "that somebody wants events",
    "outbox._HOLD": "who publishes them",
    "outbox._RELEASE": "likewise",
    "outbox._FENCE": "likewise",
    "outbox._FORGET_WISH": "likewise",
    "outbox._UNPUBLISHED": "events go to Kafka, whoever's they are, with their owners",
    "outbox._MARK": "what has arrived there",
    "outbox._BACKLOG": "how much has not",
    "outbox._REMOVALS": "likewise deletions",
    "outbox._FORGET_REMOVAL": "what was told is forgotten",
    "awaited_calls._EXPIRED": "tool calls whose time to wait is over, whoever's they are",
    "awaited_calls._EXPIRING": "likewise those whose time is nearly over",
    "usage_sums.ROWS_OF_TENANT": "the tenant's usage, for whoever has the scope usage:admin",
    "usage_sums.KEY_DAYS": "what was used through a key of the owner's, whoever it acted for",
    "spending.RESERVED": "what all calls of the tenant that are under way may need, as one sum",
    "extractions._DUE": "memories that nobody has taken to the end, whoever's they are",
    "usage_calls._LAPSED": "calls whose outcome nobody will tell, whoever's they are",
}
"""Statements that are not bound to an owner."""

UNBOUND_PARTS: Final = {
    "erasures": "a user is erased by the service, in steps, after whoever may do so has asked for it",
    "graves": "likewise what lay in conversations that are gone for their owners",
    "traces": "likewise what a user left with others, by name",
    "rate_reports": "processes tell each other what calls they let in; they name nobody's rows",
    "webhook_queue": "webhooks are told of what happens in a tenant, whoever's it is, by the service itself",
    "tenant_retention": "what a tenant does not keep goes by itself, whoever's it is",
}
"""Modules of statements of the service alone, not one of which is an owner's."""

SHARED: Final = {
    "organizations._MEMBERS": "who is in an organization, for its active members",
    "organizations._LOCK": "keeps out whoever else changes its members, for an active member",
    "organizations._SET_MEMBER": "makes a user a member, for an active member; the role is checked before",
    "models._ADD": "puts a model among an organization's, for an active member",
    "models._OF_ORGANIZATION": "an organization's models, for its active members",
    "models._GET": "one of them",
}
"""Statements that are bound by what the owner is a member of."""

JOINED: Final = {
    "conversations._SUMMARY": ("runs", "of the conversation in the same row"),
    "conversations._PAGE": ("runs", "of the conversation in the same row"),
    "conversations._PAGE_UNARCHIVED": ("runs", "of the conversation in the same row"),
    "conversations._TELL": ("event_publisher", "nobody's: whether anybody publishes"),
    "messages._POSITION_FOR_WAITING": ("messages", "says whose counter rises; the conversation is bound"),
    "message_words._ADD_WORDS": ("message_words", "which number is free; the message is bound"),
    "messages._BACKWARD": ("conversations", "that of the messages, which are bound: the last position"),
    "runs._CLAIM": ("runs", "others of the run's conversation: whether one is active"),
    "runs._HOLD": ("conversations", "the run's, to lock it"),
    "events._AFTER": ("conversations", "that of the event: its key"),
    "events._OF_RUN_AFTER": ("conversations", "that of the event: its key"),
    "organizations._MEMBERSHIPS": ("organizations", "those of the memberships, which are bound"),
    "organizations._MEMBERSHIP": ("organizations", "that of the membership, which is bound"),
    "approvals._HOW_MANY": ("approvals", "of the call, which is bound: how many"),
    "model_requests._OF_RUN": ("messages request_texts", "the request's own texts and answer; the request is bound"),
    "model_requests._COUNTS": ("messages", "the request's answer; the request is bound"),
}
"""Statements that name a further table without binding it: by a reference from a row that is bound."""

_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE) (\w+)(?: AS (\w+))?")
_FURTHER = re.compile(r"(?<=, )(\w+)(?: AS (\w+))?(?= (?:WHERE|JOIN)|, )")
_BOUND = re.compile(r"\b(\w+)\.tenant = \? AND \1\.owner = \?")


def _sql(name: str) -> str:
    return " ".join(str(ALL[name].core.compile(dialect=SQLITE)).split()).partition(" RETURNING ")[0]


def _unbound_tables(name: str) -> set[str]:
    """The tables that a statement reads or changes without naming tenant and owner."""
    sql = _sql(name)
    bound = set(_BOUND.findall(sql))
    named = {*_TABLE.findall(sql), *_FURTHER.findall(sql)}
    return {table for table, alias in named if table in METADATA.tables and (alias or table) not in bound}


def test_whatever_is_not_bound_to_an_owner_has_a_reason() -> None:
    found = {name for name, each in ALL.items() if not isinstance(each, Owned) or isinstance(each, OfTenant)}
    of_parts = {name for name in ALL if name.partition(".")[0] in UNBOUND_PARTS}
    assert of_parts <= found
    assert found - of_parts == UNBOUND.keys(), (
        "a statement of the service itself, or one that looks at others' rows, stands in UNBOUND here with its reason; "
        "one of an owner's transaction is made by `owned` of server/adapters/store/statement.py"
    )
    assert {name for name, each in ALL.items() if isinstance(each, Foreign)} == {"archive._FOREIGN"}


@pytest.mark.parametrize("name", OWNED)
def test_a_statement_binds_every_table_that_it_names_or_says_why_not(name: str) -> None:
    statement = OWNED[name].core
    if isinstance(statement, Insert) and statement.select is None:
        return  # of the owner's own row: `test_statements`
    unbound = _unbound_tables(name)
    if name in SHARED:
        assert "mine.tenant = ? AND mine.owner = ?" in _sql(name)
        return
    wanted = set(JOINED[name][0].split()) if name in JOINED else set()
    assert unbound == wanted, (
        f"{name} names tables that it does not bind to tenant and owner; bind them, or say in JOINED here which row "
        "that is bound they are reached from"
    )


def test_the_reasons_are_those_of_statements() -> None:
    assert OWNED.keys() >= SHARED.keys() | JOINED.keys()
    assert not SHARED.keys() & JOINED.keys()
