"""Whom webhooks reach: nobody on this machine, in a private network, or behind a name that changes its meaning."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.webhooks.sender import HttpWebhookSender
from server.domain.webhook import DeliveryError, DeliveryState, WebhookEvent, WebhookPolicy
from server.domain.webhook_retry import Attempt
from tests.integration.webhooks.hooked import HASTY, hooked
from tests.integration.webhooks.test_delivery import settled
from tests.support.hook_receiver import answering, receiving

STRICT = replace(HASTY, allow_private=False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0", "[fe80::1]"],
)
async def test_no_address_of_a_private_network_is_called(host: str) -> None:
    async with receiving() as receiver, HttpWebhookSender(STRICT).line(f"http://{host}:{receiver.port}/") as line:
        assert await line.post(b"{}", {}) == Attempt(error=DeliveryError.REFUSED_ADDRESS)
        assert receiver.requests == []


async def test_a_name_is_looked_up_for_every_request_and_what_was_checked_is_called() -> None:
    """DNS rebinding: the name means a public address when somebody looks, and this machine a moment later."""
    answers: list[Sequence[str]] = [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:10.0.0.1"]]

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    sender = HttpWebhookSender(STRICT, resolver=rebinding)
    async with receiving() as receiver, sender.line(f"http://hooks.invalid:{receiver.port}/") as line:
        for _ in range(3):
            assert (await line.post(b"{}", {})).error is DeliveryError.REFUSED_ADDRESS
        assert receiver.requests == []
    assert answers == []


async def test_a_host_keeps_its_name_in_the_request_to_its_address() -> None:
    async def here(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with (
        receiving() as receiver,
        HttpWebhookSender(HASTY, resolver=here).line(f"http://hooks.invalid:{receiver.port}/a?b=c") as line,
    ):
        assert (await line.post(b"{}", {"webhook-id": "msg_1"})).status == 200
        (request,) = receiver.requests
    assert request.headers["host"] == f"hooks.invalid:{receiver.port}"
    assert request.path == "/a?b=c"


async def test_what_a_redirect_names_is_not_called() -> None:
    async with receiving() as inside:
        async with (
            receiving(answering(307, location=inside.url)) as receiver,
            HttpWebhookSender(HASTY).line(receiver.url) as line,
        ):
            assert await line.post(b"{}", {}) == Attempt(307, DeliveryError.STATUS)
        assert inside.requests == []


async def test_a_host_that_is_none_is_unreachable() -> None:
    async def nobody(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such host")

    async with HttpWebhookSender(HASTY, resolver=nobody).line("http://hooks.invalid/") as line:
        assert await line.post(b"{}", {}) == Attempt(error=DeliveryError.UNREACHABLE)


async def test_a_url_that_the_operator_allows_no_more_is_not_called() -> None:
    policy = WebhookPolicy(allow_private=True)
    async with receiving() as receiver, HttpWebhookSender(policy).line(receiver.url) as line:
        assert await line.post(b"{}", {}) == Attempt(error=DeliveryError.REFUSED_URL)
        assert receiver.requests == []


async def test_the_tenant_sees_that_an_address_was_refused_and_nothing_else(tmp_path: Path) -> None:
    policy = replace(STRICT, attempts=2, give_up_after=timedelta(days=1))
    async with hooked(tmp_path, policy=policy) as house, receiving() as receiver:
        webhook, _ = await house.hook(receiver.url, WebhookEvent.RUN_COMPLETED)
        await house.talk("talk")
        (found,) = await settled(house, webhook.id, DeliveryState.GIVEN_UP)
        assert (found.error, found.status, found.attempts) == (DeliveryError.REFUSED_ADDRESS, None, 2)
        assert receiver.requests == []
