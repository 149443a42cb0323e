"""Facts about texts that the operator's rules keep out. See `errors`."""

from datetime import timedelta

from server.domain.errors import ParleyError


class ContentRefused(ParleyError):
    """A text of the caller breaks one of the operator's rules; which one is not told."""

    reason = "CONTENT_REFUSED"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message or "this text holds what the operator of this service does not allow; nothing was done"
        )


class GuardrailUnavailable(ParleyError):
    """A text of the caller cannot be held against the operator's rules now, and may not pass without."""

    reason = "GUARDRAIL_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__(
            "the text could not be checked against the rules of this service; nothing was done, send again"
        )
        self.retry_after = timedelta(seconds=1)
