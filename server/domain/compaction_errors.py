"""Facts that make a compaction fail."""

from datetime import timedelta

from server.domain.errors import ParleyError, RunFailed


class CompactionFailed(RunFailed):
    """The model made no summary; carries why, as a failed run does."""

    def __init__(self, reason: str) -> None:
        message = (
            f"the model made no summary of the older messages ({reason}); the thread stays as it was: ask again, or "
            "let another model answer it"
        )
        super().__init__(reason=reason, message=message)


class HistoryChanged(ParleyError):
    """Another branch became the history while the messages of this one were summarised."""

    reason = "HISTORY_CHANGED"

    def __init__(self) -> None:
        super().__init__("the thread's history changed while it was summarised; nothing was stored, ask again")
        self.retry_after = timedelta(seconds=1)
