"""Facts that make a call fail. Each carries its reason, an `ErrorReason` of the protos without its prefix;
`server/rpc/status.py` decides what they look like on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


class ParleyError(Exception):
    """A fact a caller can act on. The text is meant for the caller."""

    reason: ClassVar[str]

    def __init__(self, message: str, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field that breaks its rule; `field` is its path in the request, in proto spelling, "" for all of it."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class InvalidField(ParleyError):
    """Fields of the request break their rules."""

    reason = "INVALID_FIELD"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.violations = tuple(violations)


class InvalidPageToken(ParleyError):
    """The page token was not made by this method for this query."""

    reason = "INVALID_PAGE_TOKEN"

    def __init__(self) -> None:
        super().__init__("page_token: not a token of this list; use next_page_token of the page before, unchanged")


class CursorInFuture(ParleyError):
    """The cursor names an event that does not exist yet."""

    reason = "CURSOR_IN_FUTURE"

    def __init__(self, *, cursor: int, last: int) -> None:
        super().__init__(
            f"the cursor {cursor} is beyond the newest event, {last}",
            metadata={"last_sequence": str(last)},
        )


class UnknownModel(ParleyError):
    """No configured provider offers the model."""

    reason = "UNKNOWN_MODEL"

    def __init__(self, model: str) -> None:
        super().__init__(f"model: no configured provider offers {model!r}", metadata={"model": model})


class SearchTooBroad(ParleyError):
    """The patterns of a search would have to be tried on more than it is worth."""

    reason = "SEARCH_TOO_BROAD"

    def __init__(self) -> None:
        super().__init__("filters: too much to look through with a regex; narrow the search with other filters as well")


class ReplyTooLarge(ParleyError):
    """What was asked for does not fit into one reply."""

    reason = "REPLY_TOO_LARGE"


class ImagesUnavailable(ParleyError):
    """No configured provider draws images."""

    reason = "IMAGES_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("no configured provider draws images; have the operator name an image model")


class UnknownProvider(ParleyError):
    """No provider of that name is configured."""

    reason = "UNKNOWN_PROVIDER"

    def __init__(self, provider: str) -> None:
        super().__init__(f"provider: no configured provider is called {provider!r}", metadata={"provider": provider})


class ModelInactive(ParleyError):
    """The provider of a model that an organization added is not configured any more."""

    reason = "MODEL_INACTIVE"

    def __init__(self, *, provider: str, model: str) -> None:
        super().__init__(
            f"the model {model!r} is inactive: its provider {provider!r} is not configured any more; use another model",
            metadata={"provider": provider, "model": model},
        )


class KeyMissing(ParleyError):
    """No credential was presented."""

    reason = "KEY_MISSING"

    def __init__(self) -> None:
        super().__init__("API key not provided")


class KeyInvalid(ParleyError):
    """The credential is malformed, unknown, revoked or expired; which of them is nobody's business."""

    reason = "KEY_INVALID"

    def __init__(self) -> None:
        super().__init__("API key is invalid")


class KeyConflict(ParleyError):
    """The headers carry two different credentials."""

    reason = "KEY_CONFLICT"

    def __init__(self) -> None:
        super().__init__("the request carries two different credentials; send one")


class ScopeMissing(ParleyError):
    """The credential lacks the scope that the method needs."""

    reason = "SCOPE_MISSING"

    def __init__(self, scope: str) -> None:
        super().__init__(f"the credential lacks the scope {scope}", metadata={"scope": scope})


class NotAMember(ParleyError):
    """The caller is not an active member of the organization."""

    reason = "NOT_A_MEMBER"

    def __init__(self) -> None:
        super().__init__("you are not an active member of this organization")


class RoleMissing(ParleyError):
    """The caller is a member of the organization, but not one who may do this."""

    reason = "ROLE_MISSING"

    def __init__(self, role: str) -> None:
        super().__init__(
            f"your role in this organization does not permit this; the least that does is {role}",
            metadata={"role": role},
        )


class LastOwner(ParleyError):
    """The organization would be left without an owner."""

    reason = "LAST_OWNER"

    def __init__(self) -> None:
        super().__init__("the last owner stays: make somebody else an owner of this organization first")


class NotFound(ParleyError):
    """The caller has no such thing; somebody else's looks exactly the same."""


class ConversationNotFound(NotFound):
    """The caller has no conversation of that key or id."""

    reason = "CONVERSATION_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"no conversation {name!r}", metadata={"id": name})


class ConversationForbidden(ParleyError):
    """The conversation is another user's of the same tenant; told by the archive API only."""

    reason = "CONVERSATION_FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("the conversation belongs to another user")


class RunNotFound(NotFound):
    """The caller has no run of that id."""

    reason = "RUN_NOT_FOUND"

    def __init__(self, run: str) -> None:
        super().__init__(f"no run {run!r}", metadata={"id": run})


class SessionNotFound(NotFound):
    """The caller has no chat session of that id."""

    reason = "SESSION_NOT_FOUND"

    def __init__(self, session: str) -> None:
        super().__init__(f"no chat session {session!r}", metadata={"id": session})


class FileNotFound(NotFound):
    """The caller has no file of that id."""

    reason = "FILE_NOT_FOUND"

    def __init__(self, file: str) -> None:
        super().__init__(f"no file {file!r}", metadata={"id": file})


class UserNotFound(NotFound):
    """The tenant has no user, or the organization no member, of that name."""

    reason = "USER_NOT_FOUND"

    def __init__(self, user: str) -> None:
        super().__init__(f"no user {user!r}", metadata={"user": user})


class OrganizationNameTaken(ParleyError):
    """The tenant already has an organization of that name."""

    reason = "ORGANIZATION_NAME_TAKEN"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is already an organization called {name!r}", metadata={"name": name})


class ConversationKeyTaken(ParleyError):
    """The caller already has a conversation of that key."""

    reason = "CONVERSATION_KEY_TAKEN"

    def __init__(self, key: str) -> None:
        super().__init__(f"you already have a conversation with the key {key!r}", metadata={"conversation_key": key})


class RequestIdReused(ParleyError):
    """The request id was used before with another request."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            "this request id was used with another request; use a new one", metadata={"request_id": request_id}
        )


class QueueFull(ParleyError):
    """As many messages wait in the conversation as may."""

    reason = "QUEUE_FULL"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"{limit} messages wait in this conversation already; send again when one is answered")
        self.retry_after = timedelta(seconds=1)


class ShuttingDown(ParleyError):
    """The server is stopping."""

    reason = "SHUTTING_DOWN"

    def __init__(self) -> None:
        super().__init__("the server is stopping; send again in a moment")
        self.retry_after = timedelta(seconds=1)


class StoreUnavailable(ParleyError):
    """The store cannot take the call now. Nothing of it was stored."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self, message: str = "the store is not available; nothing was stored, send again in a moment") -> None:
        super().__init__(message)
        self.retry_after = timedelta(seconds=1)


class RunFailed(ParleyError):
    """The run that a call waited for failed; carries the run's own reason."""

    reason = "RUN_FAILED"

    def __init__(self, *, reason: str, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.run_reason = reason
        self.retry_after = retry_after


class RunCancelled(ParleyError):
    """The run that a call waited for was cancelled."""

    reason = "RUN_CANCELLED"

    def __init__(self, run: str) -> None:
        super().__init__("the answer was cancelled; what it had said is in the conversation", metadata={"run_id": run})


class RunInterrupted(ParleyError):
    """The run that a call waited for was interrupted by a later message."""

    reason = "RUN_INTERRUPTED"

    def __init__(self, run: str) -> None:
        super().__init__(
            "a later message interrupted the answer; what it had said is in the conversation", metadata={"run_id": run}
        )


class AnswerRestarted(ParleyError):
    """An answer was begun again and says something else than what a stream has shown of it."""

    reason = "ANSWER_RESTARTED"

    def __init__(self, run: str) -> None:
        super().__init__(
            "the answer was begun again after a fault and differs from what this stream has shown; "
            f"it goes on: ask for it from its beginning with Last-Event-ID {run}",
            metadata={"run_id": run},
        )
