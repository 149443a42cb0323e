"""The settings of webhooks, a part of the service's own."""

from datetime import timedelta
from typing import Any, Final

from pydantic import Field
from pydantic_settings import BaseSettings

from server.domain.webhook import WebhookPolicy

_POLICY: Final = WebhookPolicy()


def _seconds(default: timedelta, description: str, *, most: timedelta) -> Any:
    return Field(default.total_seconds(), gt=0, le=most.total_seconds(), description=description)


class WebhookSettings(BaseSettings):
    """How webhooks are told of things, and which URLs can be theirs."""

    webhooks_per_tenant: int = Field(_POLICY.most, ge=0, description="Webhooks that a tenant may have")
    webhook_allow_http: bool = Field(
        _POLICY.allow_http, description="Allow webhooks without TLS: whoever is between reads what they are told"
    )
    webhook_allow_private_addresses: bool = Field(
        _POLICY.allow_private,
        description="Allow webhooks on this machine and in private networks: tenants can make requests there then",
    )
    webhook_seconds: float = _seconds(
        _POLICY.timeout, "Seconds that a request to a webhook may take in all", most=timedelta(minutes=5)
    )
    webhook_attempts: int = Field(
        _POLICY.attempts, ge=1, le=100, description="Attempts at a delivery before it is given up"
    )
    webhook_first_pause_seconds: float = _seconds(
        _POLICY.first_pause,
        "Seconds after the first attempt that failed; each further pause is three times as long",
        most=timedelta(days=1),
    )
    webhook_longest_pause_seconds: float = _seconds(
        _POLICY.longest_pause, "Seconds that such a pause is long at most", most=timedelta(days=7)
    )
    webhook_disable_seconds: float = _seconds(
        _POLICY.give_up_after,
        "Seconds for which nothing was acknowledged when a webhook is disabled",
        most=timedelta(days=366),
    )
    webhook_backlog: int = Field(
        _POLICY.backlog, ge=1, description="Deliveries of a webhook that may wait; more are dropped, and counted"
    )
    webhook_requests: int = Field(
        _POLICY.requests, ge=1, description="Requests to webhooks that a process makes at a time"
    )

    @property
    def webhook_policy(self) -> WebhookPolicy:
        """What these settings come to."""
        return WebhookPolicy(
            most=self.webhooks_per_tenant,
            allow_http=self.webhook_allow_http,
            allow_private=self.webhook_allow_private_addresses,
            timeout=timedelta(seconds=self.webhook_seconds),
            attempts=self.webhook_attempts,
            first_pause=timedelta(seconds=self.webhook_first_pause_seconds),
            longest_pause=timedelta(seconds=self.webhook_longest_pause_seconds),
            give_up_after=timedelta(seconds=self.webhook_disable_seconds),
            backlog=self.webhook_backlog,
            requests=self.webhook_requests,
        )
