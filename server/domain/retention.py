"""How long a tenant keeps what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after which data goes; `None` keeps it for ever."""

    conversation_days: int | None = None
    """Conversations in which nothing was said or changed for so long."""
    archived_days: int | None = None
    """The same of those that are archived."""
    event_days: int | None = None
    """Events of the logs; what was said stays."""
    audit_days: int | None = None
    """Records of the audit."""
