"""Why a message cannot bring a file along."""

from collections.abc import Sequence

from server.domain.errors import ParleyError


class AttachmentNotAccepted(ParleyError):
    """The model that would answer takes no files of that type."""

    reason = "ATTACHMENT_NOT_ACCEPTED"

    def __init__(self, *, model: str, media_type: str, accepted_by: Sequence[str]) -> None:
        """`accepted_by` are the names of configured models that take it."""
        instead = f"choose one of {', '.join(accepted_by)}" if accepted_by else "no configured model takes them"
        super().__init__(
            f"the model {model!r} takes no files of the type {media_type}; {instead}",
            metadata={"model": model, "media_type": media_type, "accepted_by": ", ".join(accepted_by)},
        )


class AttachmentsTooLarge(ParleyError):
    """A message brings along more than it may."""

    reason = "ATTACHMENTS_TOO_LARGE"

    def __init__(self, *, what: str, limit: int) -> None:
        """`what` is counted, e.g. `bytes of a file`, of which there may be `limit`."""
        super().__init__(
            f"a message may bring along at most {limit} {what}", metadata={"what": what, "limit": str(limit)}
        )
