"""Who a token speaks of: the user, the tenant and the rights that its claims name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

from server.domain.errors import KeyInvalid
from server.domain.scope import PERSON_SCOPES, SCOPES, WILDCARD_SCOPE, common

LONGEST_NAME: Final = 255
_USER_CLAIMS: Final = ("sub", "user_id", "id")
_TENANT_CLAIM: Final = "tenant_id"
# Scopes of OpenID Connect itself: what the token tells of its user, not what the user may do here.
_FOREIGN_SCOPES: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the issuer names one."""

    user: str
    tenant: str | None
    """`None` when the token names none."""
    scopes: frozenset[str]


def person_of(claims: Mapping[str, object]) -> Person:
    """The person of verified claims.

    The user is the first of `sub`, `user_id` and `id` that is there. What `scope` (a text or a list) and `permissions`
    (a list) say narrows the rights to the scopes that each of them names, and grants those beyond a user's usual ones;
    without either the rights are `PERSON_SCOPES`. Raises `KeyInvalid` for names that cannot be one user's or tenant's.
    """
    user = next((claims[name] for name in _USER_CLAIMS if claims.get(name) is not None), None)
    tenant = claims.get(_TENANT_CLAIM)
    granted = list(_granted(claims))
    return Person(
        user=_name(user),
        tenant=None if tenant is None else _name(tenant),
        scopes=reduce(common, granted) & SCOPES if granted else PERSON_SCOPES,
    )


def is_name(text: str) -> bool:
    """Whether a text can name one user or tenant: not nobody, not everybody (`*`), nothing that cannot be shown."""
    return 0 < len(text) <= LONGEST_NAME and text == text.strip() and text != WILDCARD_SCOPE and text.isprintable()


def _name(claim: object) -> str:
    # Numbers are names where users are counted; `True` is a number to Python only.
    text = str(claim) if isinstance(claim, int) and not isinstance(claim, bool) else claim
    if not isinstance(text, str) or not is_name(text):
        raise KeyInvalid
    return text


def _granted(claims: Mapping[str, object]) -> Iterator[frozenset[str]]:
    scope = claims.get("scope")
    named = _words(scope.split() if isinstance(scope, str) else scope) - _FOREIGN_SCOPES
    if named:
        yield named
    if claims.get("permissions") is not None:
        yield _words(claims["permissions"])


def _words(claim: object) -> frozenset[str]:
    """The texts of a list; nothing of what is none, so that what cannot be read grants nothing."""
    return frozenset(word for word in claim if isinstance(word, str)) if isinstance(claim, list) else frozenset()
