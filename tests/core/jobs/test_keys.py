"""API keys: who may, who may not, and that the database does not know the secret."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.errors import UserError
from core.jobs.database import now, open_database, transaction
from core.jobs.keys import check, create_api_key, revoke
from core.jobs.tables import ApiKeyRow


@pytest.fixture(scope="module")
def database_with_one_key(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """One database for all examples of a property that only reads."""
    file = shutil.copy(migrated_sqlite, tmp_path_factory.mktemp("keys"))
    engine = open_database(f"sqlite:///{file}")
    with transaction(engine) as session:
        create_api_key(session, owner="ada", scopes=["read"])
    yield engine
    engine.dispose()


def test_a_key_opens_for_its_owner(engine: Engine) -> None:
    with transaction(engine) as session:
        token = create_api_key(session, owner="ada", scopes=["submit", "read", "read"])
    with transaction(engine) as session:
        row = check(session, token)
        assert row is not None
        assert (row.owner, row.scopes) == ("ada", ["read", "submit"])
        assert token.rsplit("_", 1)[1] not in str(vars(row))


def test_two_keys_do_not_mix(engine: Engine) -> None:
    with transaction(engine) as session:
        first, second = (create_api_key(session, owner=who, scopes=["read"]) for who in ("ada", "bob"))
        stem, secret = first.rsplit("_", 1)[0], second.rsplit("_", 1)[1]
        assert check(session, f"{stem}_{secret}") is None


def test_a_revoked_or_expired_key_does_not_open(engine: Engine) -> None:
    with transaction(engine) as session:
        past, future = now(session) - timedelta(seconds=1), now(session) + timedelta(hours=1)
        assert check(session, create_api_key(session, owner="a", scopes=["read"], expires_at=past)) is None
        token = create_api_key(session, owner="a", scopes=["read"], expires_at=future)
        row = check(session, token)
        assert row is not None
        revoke(session, row)
        first = row.revoked_at
        revoke(session, row)
        assert row.revoked_at == first
        assert check(session, token) is None


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "root"]])
def test_unknown_scopes_are_refused(engine: Engine, scopes: list[str]) -> None:
    with transaction(engine) as session, pytest.raises(UserError, match="admin"):
        create_api_key(session, owner="ada", scopes=scopes)


@settings(deadline=None, max_examples=50)
@given(noise=st.text(max_size=80) | st.from_regex(r"\Asf_[0-9a-f]{0,40}_[0-9a-f]{0,70}\Z"))
def test_noise_does_not_open(database_with_one_key: Engine, noise: str) -> None:
    with transaction(database_with_one_key) as session:
        assert session.query(ApiKeyRow).count() == 1
        assert check(session, noise) is None
