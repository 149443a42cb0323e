"""Scopes: what a credential may be allowed to do, and how the rights of two are brought together."""

from collections.abc import Iterable
from typing import Final

WILDCARD_SCOPE: Final = "*"
"""Everything."""
IMPERSONATE_SCOPE: Final = "users:impersonate"
KEYS_SCOPE: Final = "keys:admin"
AUDIT_SCOPE: Final = "audit:read"
EXPORT_SCOPE: Final = "data:export"
ERASE_SCOPE: Final = "data:erase"
DATA_SCOPE: Final = "data:admin"
"""To export and erase what is other users' of the tenant, and to say how long the tenant keeps what."""
USAGE_SCOPE: Final = "usage:admin"
"""To see what a whole tenant uses."""
WEBHOOKS_SCOPE: Final = "webhooks:admin"
"""To say who outside is told of what happens in the whole tenant."""

SUBJECT_SCOPES: Final = frozenset(
    {
        "conversations:read",
        "conversations:write",
        "ayeto.conversation",
        "ayeto.chat",
        "files:read",
        "files:write",
        "mcp:call",
        "memories:read",
        "memories:write",
        "voice:create",
        "usage:read",
    }
)
"""What a user may do with what is the user's own, and so the most that anybody may do in the user's name."""
PERSON_SCOPES: Final = SUBJECT_SCOPES | {KEYS_SCOPE, EXPORT_SCOPE, ERASE_SCOPE}
"""What a person may do whose token says nothing of scopes: also have keys, and have everything that is theirs exported
or erased, all of which nobody else may do in their name."""
READING_SCOPES: Final = frozenset({"conversations:read", "files:read", "memories:read", "usage:read"})
"""Those that change nothing, whatever is done by them."""
SCOPES: Final = PERSON_SCOPES | {
    IMPERSONATE_SCOPE,
    AUDIT_SCOPE,
    DATA_SCOPE,
    USAGE_SCOPE,
    WEBHOOKS_SCOPE,
    WILDCARD_SCOPE,
}
"""Every scope there is."""


def permits(scopes: frozenset[str], scope: str) -> bool:
    """Whether who has `scopes` may do what needs `scope`."""
    return scope in scopes or WILDCARD_SCOPE in scopes


def common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """What both may do."""
    if WILDCARD_SCOPE in one:
        return other
    return one if WILDCARD_SCOPE in other else one & other


def beyond(wanted: Iterable[str], held: frozenset[str]) -> list[str]:
    """Those of the wanted scopes that who has `held` does not have; everything is only in everything."""
    return sorted(scope for scope in set(wanted) if not permits(held, scope))


def unknown(scopes: Iterable[str]) -> list[str]:
    """Those that are no scopes."""
    return sorted(set(scopes) - SCOPES)
