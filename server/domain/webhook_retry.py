"""When a delivery is attempted again, what an attempt says of its webhook, and when either is given up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from server.domain.webhook import Delivery, DeliveryError, DeliveryState, DisabledReason, Webhook, WebhookPolicy

_GONE: Final = 410
_BUSY: Final = (429, 503)
_FACTOR: Final = 3
_JITTER: Final = 0.2
_MOST_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending a delivery."""

    status: int | None = None
    error: DeliveryError | None = None
    retry_after: timedelta | None = None
    """How long the receiver asks to be left alone."""

    @property
    def is_acknowledged(self) -> bool:
        """Whether the receiver has it."""
        return self.error is None


class Patience:
    """The rules of when. `random` gives numbers from 0 to 1."""

    def __init__(self, policy: WebhookPolicy, random: Callable[[], float]) -> None:
        self._policy = policy
        self._random = random

    def settled(self, delivery: Delivery, attempt: Attempt, now: datetime) -> Delivery:
        """The delivery after an attempt that ended now."""
        done = replace(
            delivery,
            attempts=delivery.attempts + 1,
            attempted_at=now,
            status=attempt.status,
            error=attempt.error,
            next_try=None,
        )
        if attempt.is_acknowledged:
            return replace(done, state=DeliveryState.DELIVERED)
        if done.attempts >= self._policy.attempts or attempt.status == _GONE:
            return replace(done, state=DeliveryState.GIVEN_UP)
        return replace(done, next_try=now + max(self._pause(done.attempts), self._asked(attempt)))

    def outdated(self, delivery: Delivery, now: datetime) -> bool:
        """Whether it happened so long ago that nobody is told any more."""
        return delivery.occurred_at < now - self._policy.oldest

    def judged(self, webhook: Webhook, attempt: Attempt, now: datetime) -> Webhook:
        """The webhook after an attempt that ended now."""
        if attempt.is_acknowledged:
            return replace(webhook, failures=0, failing_since=None, quiet_until=None)
        since = webhook.failing_since or now
        failing = replace(webhook, failures=webhook.failures + 1, failing_since=since)
        if attempt.status == _GONE:
            return replace(failing, disabled_reason=DisabledReason.GONE)
        if now - since >= self._policy.give_up_after:
            return replace(failing, disabled_reason=DisabledReason.FAILING)
        quiet = max(self._quiet(failing.failures), self._asked(attempt))
        return replace(failing, quiet_until=now + quiet if quiet else webhook.quiet_until)

    def is_out(self, webhook: Webhook) -> bool:
        """Whether it has failed so often in a row that it is tried with one delivery at a time."""
        return webhook.failures >= self._policy.quiet_after

    def _pause(self, attempts: int) -> timedelta:
        steps = min(attempts - 1, _MOST_DOUBLINGS)
        pause = min(self._policy.first_pause.total_seconds() * _FACTOR**steps, self._longest)
        return timedelta(seconds=self._shaken(pause))

    def _quiet(self, failures: int) -> timedelta:
        steps = failures - self._policy.quiet_after
        if steps < 0:
            return timedelta(0)
        pause = self._policy.first_pause.total_seconds() * 2 ** min(steps, _MOST_DOUBLINGS)
        return timedelta(seconds=self._shaken(min(pause, self._policy.longest_quiet.total_seconds())))

    def _asked(self, attempt: Attempt) -> timedelta:
        if attempt.retry_after is None or attempt.status not in _BUSY:
            return timedelta(0)
        return min(attempt.retry_after, self._policy.longest_pause)

    def _shaken(self, seconds: float) -> float:
        return seconds * (1 - _JITTER + 2 * _JITTER * self._random())

    @property
    def _longest(self) -> float:
        return self._policy.longest_pause.total_seconds()
