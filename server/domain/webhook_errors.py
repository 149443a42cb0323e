"""Why something is not done with a webhook."""

from server.domain.errors import NotFound, ParleyError


class WebhookNotFound(NotFound):
    """The tenant has no webhook of that id."""

    reason = "WEBHOOK_NOT_FOUND"

    def __init__(self, webhook: str) -> None:
        super().__init__(f"no webhook {webhook!r}", metadata={"id": webhook})


class TooManyWebhooks(ParleyError):
    """The tenant has as many webhooks as it may have."""

    reason = "TOO_MANY_WEBHOOKS"

    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most} webhooks already; delete one", metadata={"limit": str(most)})


class WebhookIsDisabled(ParleyError):
    """Nothing is sent to the webhook."""

    reason = "WEBHOOK_IS_DISABLED"

    def __init__(self, webhook: str) -> None:
        super().__init__(f"the webhook {webhook!r} is disabled; enable it first", metadata={"id": webhook})


class WebhookDeliveryNotFound(NotFound):
    """The webhook has no delivery of that id, or none any more."""

    reason = "WEBHOOK_DELIVERY_NOT_FOUND"

    def __init__(self, delivery: str) -> None:
        super().__init__(f"no delivery {delivery!r}", metadata={"id": delivery})
