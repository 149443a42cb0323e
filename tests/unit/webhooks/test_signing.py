"""Signatures are those of the Standard Webhooks specification, and secrets follow from the service's own."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from examples.webhook_verifier import is_genuine
from server.application.webhook_signing import WebhookSecrets, signed_headers
from server.domain.ids import WebhookId
from server.domain.webhook import Webhook

# The test vector of the specification's own libraries.
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID: Final = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT_AT: Final = datetime.fromtimestamp(1614265330, UTC)
BODY: Final = b'{"test": 2432232314}'
SIGNATURE: Final = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

KEY: Final = base64.b64decode(SECRET.removeprefix("whsec_"))
SECRETS: Final = WebhookSecrets(bytes(32))
NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
HOOK: Final = Webhook(WebhookId("w"), "acme", "anna", "https://hooks.invalid/", NOW, NOW)


def test_a_signature_is_that_of_the_specification() -> None:
    assert signed_headers(ID, SENT_AT, BODY, [KEY]) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_several_secrets_sign_one_after_the_other() -> None:
    signatures = signed_headers(ID, SENT_AT, BODY, [bytes(32), KEY])["webhook-signature"].split(" ")
    assert len(signatures) == 2
    assert signatures[1] == SIGNATURE


def test_the_example_takes_what_is_genuine_and_nothing_else() -> None:
    now = datetime.now(UTC)
    headers = signed_headers(ID, now, BODY, [bytes(32), KEY])
    assert is_genuine(SECRET, headers, BODY)
    assert not is_genuine(SECRET, headers, BODY + b" ")
    assert not is_genuine("whsec_" + base64.b64encode(bytes(range(32))).decode(), headers, BODY)
    assert not is_genuine(SECRET, {**headers, "webhook-id": "msg_other"}, BODY)
    assert not is_genuine(SECRET, {**headers, "webhook-timestamp": "soon"}, BODY)
    assert not is_genuine(SECRET, {**headers, "webhook-signature": "v1,ä v1"}, BODY)
    for late in (timedelta(seconds=-400), timedelta(seconds=400)):
        assert not is_genuine(SECRET, signed_headers(ID, now + late, BODY, [KEY]), BODY)


def test_a_secret_is_its_webhooks_and_its_generations_own() -> None:
    shown = {SECRETS.shown(WebhookId(name), generation) for name in ("a", "b") for generation in (1, 2)}
    shown.add(WebhookSecrets(bytes(31) + b"x").shown(WebhookId("a"), 1))
    assert len(shown) == 5
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in shown)
    assert SECRETS.shown(WebhookId("a"), 1) in shown


def test_the_secret_before_counts_until_its_time_is_over() -> None:
    rotated = replace(HOOK, generation=2, previous_until=NOW + timedelta(hours=1))
    first, second = (base64.b64decode(SECRETS.shown(HOOK.id, number).removeprefix("whsec_")) for number in (1, 2))
    assert SECRETS.of(HOOK, NOW) == [first]
    assert SECRETS.of(rotated, NOW) == [second, first]
    assert SECRETS.of(rotated, NOW + timedelta(hours=1)) == [second]


def test_a_short_secret_is_none() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        WebhookSecrets(bytes(31))
