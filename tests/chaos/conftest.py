"""A database for the audit."""

from tests.core.jobs.conftest import migrated_sqlite, sqlite_engine  # noqa: F401 - fixtures
