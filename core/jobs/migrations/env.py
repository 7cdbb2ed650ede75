"""Entry point of Alembic: runs the migrations on the connection that `core.jobs.migration.migrate` opened."""

from alembic import context

from core.jobs.tables.base import Tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Tables.metadata,
    render_as_batch=True,  # SQLite cannot alter a table in place
)
with context.begin_transaction():
    context.run_migrations()
