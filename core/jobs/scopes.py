"""What API keys allow. Free of SQLAlchemy, because clients import it."""

from enum import StrEnum


class Scope(StrEnum):
    """What an API key allows; each one allows what stands before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"
