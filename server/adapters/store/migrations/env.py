"""What alembic executes to run revisions: on the connection that `migrations.upgrade` hands over, and no other."""

from alembic import context

from server.adapters.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
