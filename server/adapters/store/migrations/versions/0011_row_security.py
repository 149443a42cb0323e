"""On PostgreSQL a transaction sees only the rows of its owner, whatever its statements ask for."""

from server.adapters.store.migrations.protection import protect
from server.adapters.store.row_security import Reach

revision = "0011"
down_revision = "0010"

_OF_OWNERS = (
    *("api_keys", "approvals", "branches", "cached_answers", "compactions", "files", "key_usage", "messages"),
    *("model_requests", "request_texts", "requests", "run_events", "runs", "sessions", "tool_calls"),
)
# The archive tells that a conversation is another's; who may read the audit reads the tenant's.
_READ_BY_TENANTS = ("audit", "conversations")
# Members of an organization see each other, and its models.
_OF_TENANTS = ("memberships", "models", "organizations", "users")


def upgrade() -> None:
    """Protect all tables."""
    protect(*_OF_OWNERS)
    protect(*_READ_BY_TENANTS, reach=Reach.OWNER_READS_TENANT)
    protect(*_OF_TENANTS, reach=Reach.TENANT)
