"""The table by which processes tell each other of the calls that they let in."""

from sqlalchemy import Index
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, Row


class RateReportRow(Row, table=True):
    """Calls that a process let in: nobody's row, its `tenant` is empty and its `owner` the process. `counts` is JSON,
    numbers by digests. On PostgreSQL it is not logged: a crash of the database costs no more than the last minute's
    counts."""

    __tablename__ = "rate_reports"
    __table_args__ = (Index("ix_rate_reports_reported_at", "reported_at"),)

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(primary_key=True, sa_type=STRING)
    sequence: int = Field(primary_key=True, sa_type=WHOLE)
    reported_at: int = Field(sa_type=WHOLE)
    counts: str = Field(sa_type=STRING)
