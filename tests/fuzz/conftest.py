"""The application of the tests of the API."""

from tests.api.conftest import app, bench, empty_database, portal, settings

__all__ = ["app", "bench", "empty_database", "portal", "settings"]
