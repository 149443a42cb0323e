"""Why a caller is not let in, or may not do something, beyond what every credential has in common (`errors`)."""

from datetime import timedelta

from server.domain.errors import NotFound, ParleyError


class IssuerUnavailable(ParleyError):
    """Whether a token is valid cannot be told: the issuer's keys cannot be fetched."""

    reason = "ISSUER_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the keys of the token's issuer cannot be fetched; send again in a moment")
        self.retry_after = timedelta(seconds=1)


class TenantMissing(ParleyError):
    """The token names no tenant, and no publishable key does."""

    reason = "TENANT_MISSING"

    def __init__(self) -> None:
        super().__init__("the token names no tenant (claim tenant_id)")


class TenantForbidden(ParleyError):
    """The token is for another tenant than the key, or for one that is not served here."""

    reason = "TENANT_FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("the token's tenant is not the key's, or not served here")


class PersonNeeded(ParleyError):
    """An API key was presented where only a person may act."""

    reason = "PERSON_NEEDED"

    def __init__(self) -> None:
        super().__init__("this needs a user's token; an API key may not do it")


class ScopeExceeded(ParleyError):
    """Somebody wants to hand on a right that is not theirs."""

    reason = "SCOPE_EXCEEDED"

    def __init__(self, scope: str) -> None:
        super().__init__(f"you do not have the scope {scope} yourself", metadata={"scope": scope})


class KeyNotFound(NotFound):
    """The caller has no key of that id."""

    reason = "KEY_NOT_FOUND"

    def __init__(self, key: str) -> None:
        super().__init__(f"no API key {key!r}", metadata={"id": key})


class KeyEnded(ParleyError):
    """The key is revoked or expired, and stays so."""

    reason = "KEY_ENDED"

    def __init__(self, key: str) -> None:
        super().__init__("the API key is revoked or expired; create another", metadata={"id": key})
