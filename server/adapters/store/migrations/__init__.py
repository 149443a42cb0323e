"""Brings a database's schema to the one this version works with.

Alembic runs the revisions, and is not even imported when there is nothing to do. All of them run in one transaction
that first takes a lock on the database: of two processes that start at once one migrates, the other finds it done; a
process that is killed half-way leaves the schema that was there before.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from server.adapters.store.errors import SchemaUnknown

HEAD: Final = "0022"
"""The revision of `tables.METADATA`; the last one in `versions`."""

FIND_REVISION: Final = "SELECT version_num FROM alembic_version"


def upgrade(connection: Connection, *, to: str = HEAD) -> None:
    """Run what is missing up to a revision, in the transaction that is open on the connection. Raises
    `SchemaUnknown`."""
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaUnknown(found)
    command.upgrade(config, to)
