"""Who is calling, and whose rows a call may touch."""

from dataclasses import dataclass
from typing import Protocol

from server.domain.ids import KeyId, UserId, user_id
from server.domain.scope import permits
from server.domain.spending import NOBODY, Payer


@dataclass(frozen=True, slots=True)
class Owner:
    """A user of a tenant; every stored row belongs to one, and every query is bound to one."""

    tenant: str
    user: str

    @property
    def user_id(self) -> UserId:
        """The user's UUID, derived from tenant and name."""
        return user_id(self.tenant, self.user)

    def acting_user_id(self, actor: str | None) -> UserId:
        """The UUID of who acted in this owner's name: the `actor`, or the owner."""
        return user_id(self.tenant, actor or self.user)


class Acting(Protocol):
    """Who does something: a caller, or the one who sent a run's message."""

    @property
    def actor(self) -> str | None:
        """Who does it in the owner's name; `None`: the owner."""

    @property
    def user(self) -> str:
        """The name of the user who does it, which is the actor's when there is one."""

    @property
    def user_id(self) -> UserId:
        """That user's UUID."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """By what a caller marks a write, so that it can be made again without being done twice."""

    id: str
    fingerprint: str
    """Equal for equal requests."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity of one call."""

    owner: Owner
    """On whose behalf the call acts."""
    scopes: frozenset[str]
    key_id: KeyId | None
    """The key that was presented; `None` for a person's token alone."""
    actor: str | None = None
    """The credential's own user when it acts on behalf of another."""
    request_key: RequestKey | None = None
    """The mark of this call, when it is a write that bears one."""
    request_id: str = ""
    """Of the call, for the audit; told of writes alone."""
    write: str = ""
    """The method of a write that leaves no record of its own in the audit."""
    is_person: bool = False
    """Whether a token says that the user, or the actor, is there in person; a key alone may be anybody's who has it."""
    requests_per_minute: int | None = None
    """How often the key itself may be used, where it says so."""
    payer: Payer = NOBODY
    """Whose budget bounds what the call has models do, besides the tenant's."""

    @property
    def user(self) -> str:
        """The name of the user who acts, which is the actor's when there is one."""
        return self.actor or self.owner.user

    @property
    def user_id(self) -> UserId:
        """The UUID of the user who acts, which is the actor's when there is one."""
        return self.owner.acting_user_id(self.actor)

    @property
    def caller(self) -> str:
        """Who calls, in the tenant: the key, or the person, with a publishable key or without; never the subject."""
        if self.key_id is None or self.is_person:
            return f"user:{self.actor or self.owner.user}"
        return f"key:{self.key_id}"

    def has_scope(self, scope: str) -> bool:
        """Whether the call may use a method that needs `scope`."""
        return permits(self.scopes, scope)
