"""When a delivery is attempted again, and when it or its webhook is given up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from server.domain.ids import DeliveryId, WebhookId
from server.domain.principal import Owner
from server.domain.webhook import (
    Delivery,
    DeliveryError,
    DeliveryState,
    DisabledReason,
    Webhook,
    WebhookEvent,
    WebhookPolicy,
)
from server.domain.webhook_retry import Attempt, Patience

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
HOOK: Final = Webhook(WebhookId("w"), "acme", "anna", "https://hooks.invalid/", NOW, NOW)
NEW: Final = Delivery(DeliveryId("d"), HOOK.id, Owner("acme", "anna"), WebhookEvent.RUN_FAILED, NOW, NOW)
EVEN: Final = Patience(WebhookPolicy(), lambda: 0.5)
FAILED: Final = Attempt(500, DeliveryError.STATUS)


def test_what_is_acknowledged_is_over() -> None:
    done = EVEN.settled(NEW, Attempt(204), NOW)
    assert (done.state, done.attempts, done.status, done.error, done.next_try) == (
        *(DeliveryState.DELIVERED, 1, 204, None, None),
    )


def test_twelve_attempts_take_about_a_day_and_are_all() -> None:
    delivery, now, pauses = NEW, NOW, []
    while (delivery := EVEN.settled(delivery, FAILED, now)).next_try is not None:
        pauses.append((delivery.next_try - now).total_seconds())
        now = delivery.next_try
    assert delivery.state is DeliveryState.GIVEN_UP
    assert delivery.attempts == 12
    assert pauses == [5, 15, 45, 135, 405, 1215, 3645, 10935, 21600, 21600, 21600]
    assert timedelta(hours=20) < now - NOW < timedelta(hours=28)


@pytest.mark.parametrize(("dice", "seconds"), [(0.0, 4.0), (1.0, 6.0)])
def test_pauses_are_shaken(dice: float, seconds: float) -> None:
    failed = Patience(WebhookPolicy(), lambda: dice).settled(NEW, FAILED, NOW)
    assert failed.next_try == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "asked", "pause"),
    [
        (429, timedelta(minutes=2), timedelta(minutes=2)),
        (503, timedelta(minutes=2), timedelta(minutes=2)),
        (503, timedelta(seconds=1), timedelta(seconds=5)),
        (429, timedelta(days=400), timedelta(hours=6)),
        (500, timedelta(minutes=2), timedelta(seconds=5)),
    ],
)
def test_who_is_busy_says_for_how_long(status: int, asked: timedelta, pause: timedelta) -> None:
    attempt = Attempt(status, DeliveryError.STATUS, asked)
    assert EVEN.settled(NEW, attempt, NOW).next_try == NOW + pause
    quiet = EVEN.judged(HOOK, attempt, NOW).quiet_until
    assert quiet == (None if status == 500 else NOW + min(asked, timedelta(hours=6)))


def test_one_that_fails_again_and_again_is_left_alone_for_a_while_and_longer_each_time() -> None:
    hook, quiet = HOOK, []
    for _ in range(12):
        hook = EVEN.judged(replace(hook, quiet_until=None), FAILED, NOW)
        quiet.append(None if hook.quiet_until is None else (hook.quiet_until - NOW).total_seconds())
    assert quiet == [None, None, None, None, 5, 10, 20, 40, 60, 60, 60, 60]
    assert EVEN.is_out(hook)
    back = EVEN.judged(hook, Attempt(200), NOW)
    assert (back.failures, back.failing_since, back.quiet_until) == (0, None, None)
    assert not EVEN.is_out(back)


def test_a_webhook_is_given_up_when_it_says_so_or_has_failed_for_days() -> None:
    assert EVEN.judged(HOOK, Attempt(410, DeliveryError.STATUS), NOW).disabled_reason is DisabledReason.GONE
    assert EVEN.settled(NEW, Attempt(410, DeliveryError.STATUS), NOW).state is DeliveryState.GIVEN_UP
    failing = EVEN.judged(HOOK, FAILED, NOW)
    for later, reason in ((timedelta(hours=71), None), (timedelta(hours=72), DisabledReason.FAILING)):
        assert EVEN.judged(failing, FAILED, NOW + later).disabled_reason is reason
    well = EVEN.judged(failing, Attempt(200), NOW + timedelta(hours=71))
    assert EVEN.judged(well, FAILED, NOW + timedelta(hours=73)).is_enabled


def test_what_is_a_week_old_is_no_news() -> None:
    assert not EVEN.outdated(NEW, NOW + timedelta(days=7))
    assert EVEN.outdated(NEW, NOW + timedelta(days=7, seconds=1))
