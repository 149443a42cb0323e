"""What is known of a webhook's receiver is known of its URL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.application.webhooks import WebhookWish
from server.domain.ids import WebhookId
from server.domain.webhook import DisabledReason, Webhook

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HOOK = Webhook(WebhookId("w"), "acme", "anna", "https://old.invalid/", NOW, NOW)
FAILING = replace(HOOK, failures=9, failing_since=NOW - timedelta(days=2), quiet_until=NOW + timedelta(hours=6))


def test_another_url_begins_without_failures() -> None:
    wanted = replace(HOOK, url="https://new.invalid/")
    assert WebhookWish(url="https://new.invalid/").of(FAILING) == wanted


def test_the_same_url_and_other_words_leave_what_is_known() -> None:
    assert WebhookWish(url=FAILING.url, description="Ours").of(FAILING) == replace(FAILING, description="Ours")


def test_another_url_enables_nothing() -> None:
    disabled = replace(FAILING, disabled_reason=DisabledReason.GONE)
    assert WebhookWish(url="https://new.invalid/").of(disabled).disabled_reason is DisabledReason.GONE
    assert WebhookWish(is_enabled=True).of(disabled) == HOOK
