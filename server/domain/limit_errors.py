"""Why a caller who may do something may not do more of it now."""

from datetime import timedelta
from typing import Final

from server.domain.errors import ParleyError
from server.domain.rates import Standing

_SOON: Final = timedelta(seconds=1)


class LimitReached(ParleyError):
    """A limit of the operator's, or of the caller's own key, is reached; `kind` names it, for metrics and callers."""

    def __init__(self, message: str, *, limit: str, most: int, retry_after: timedelta) -> None:
        super().__init__(message, metadata={"limit": limit, "most": str(most)})
        self.kind = limit
        self.retry_after = retry_after


class RateLimited(LimitReached):
    """As many calls came in the last minute as may."""

    reason = "RATE_LIMITED"

    def __init__(self, kind: str, standing: Standing) -> None:
        super().__init__(
            f"{standing.limit} calls a minute are let in for this {kind}; send again in {standing.reset} s",
            limit=kind,
            most=standing.limit,
            retry_after=timedelta(seconds=standing.seconds),
        )
        self.standing = standing


class AuthenticationFailsTooOften(LimitReached):
    """So many credentials from the caller's address were wrong that no further one is looked at."""

    reason = "AUTHENTICATION_FAILS_TOO_OFTEN"

    def __init__(self, standing: Standing) -> None:
        super().__init__(
            f"{standing.limit} calls from your address had a wrong credential within a minute; mend the credential and "
            f"send again in {standing.reset} s",
            limit="address",
            most=standing.limit,
            retry_after=timedelta(seconds=standing.seconds),
        )
        self.standing = standing


class TooManyRuns(LimitReached):
    """As many answers are being made for the key, or the person, as may be at a time."""

    reason = "TOO_MANY_RUNS"

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"{limit} runs of yours are active; wait for the end of one or cancel one, then send again",
            limit="runs",
            most=limit,
            retry_after=_SOON,
        )


class TooManyStreams(LimitReached):
    """As many streams of the key, or the person, are open as may be."""

    reason = "TOO_MANY_STREAMS"

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"{limit} streams of yours are open; close one, then open this one again",
            limit="streams",
            most=limit,
            retry_after=_SOON,
        )
