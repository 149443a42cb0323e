"""What a transaction of the service itself has of rate reports; see `ports.store` for what holds of every part."""

from datetime import datetime
from typing import Protocol

from server.domain.rate_report import RateReport


class RateReports(Protocol):
    """Reports of the last minutes, of every process. After a crash of the database they may all be gone."""

    async def add_rate_report(self, report: RateReport) -> None:
        """Store one; nothing, when the process has stored one of that number."""

    async def rate_reports(self, *, since: datetime, but_of: str) -> list[RateReport]:
        """Those made at or after a moment by other processes than `but_of`, each process' in their order."""

    async def forget_rate_reports(self, before: datetime, *, limit: int) -> int:
        """Drop those made before a moment, the oldest first; returns how many."""
