"""What a migration says of every table that it makes: whose rows a transaction may see. See `store.row_security`."""

from alembic import op

from server.adapters.store.row_security import Reach, policies


def protect(*tables: str, reach: Reach = Reach.OWNER) -> None:
    """Give new tables with the columns `tenant` and `owner` their policies. Does nothing on SQLite, which has none."""
    if op.get_bind().dialect.name == "postgresql":
        for table in tables:
            for statement in policies(table, reach):
                op.execute(statement)
