"""Scopes of API keys. Must not import SQLAlchemy, because clients import this module."""

from enum import StrEnum


class Scope(StrEnum):
    """A scope of an API key. Each scope includes the ones above it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"
