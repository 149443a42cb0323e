"""Why a memory is not stored or found."""

from datetime import timedelta

from server.domain.errors import NotFound, ParleyError


class MemoryNotFound(NotFound):
    """The caller has no memory of that id."""

    reason = "MEMORY_NOT_FOUND"

    def __init__(self, memory: str) -> None:
        super().__init__(f"no memory {memory!r}", metadata={"id": memory})


class TooManyMemories(ParleyError):
    """The caller has as many memories as there may be."""

    reason = "TOO_MANY_MEMORIES"

    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most} memories already; delete some", metadata={"limit": str(most)})


class EmbedderUnavailable(ParleyError):
    """The model that texts are compared by does not answer."""

    reason = "EMBEDDER_UNAVAILABLE"

    def __init__(self, cause: str, *, cause_reason: str = "") -> None:
        """`cause_reason`: the reason of the provider's error."""
        self.cause_reason = cause_reason
        super().__init__(f"texts cannot be compared now: {cause}; send again in a moment")
        self.retry_after = timedelta(seconds=1)
