"""API keys: valid and invalid ones, rotation, and that the database stores no secret."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.errors import KeyNotRotatable, UserError
from core.jobs.database import now, open_database, transaction
from core.jobs.keys import check, create_api_key, note_use, revoke, rotate
from core.jobs.tables.access import ApiKeyRow


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


def test_a_rotated_key_has_a_successor_like_it_and_a_grace(engine: Engine) -> None:
    with transaction(engine) as session:
        soon = now(session) + timedelta(hours=1)
        token = create_api_key(session, owner="ada", scopes=["submit"], name="laptop", expires_at=soon)
    with transaction(engine) as session:
        old = check(session, token)
        assert old is not None
        successor = check(session, rotate(session, old, grace_seconds=600))
        assert successor is not None
        assert (successor.owner, successor.scopes, successor.name) == ("ada", ["submit"], "laptop")
        assert old.replaced_by == successor.id
        assert old.expires_at is not None
        assert timedelta(seconds=595) < old.expires_at - now(session) <= timedelta(seconds=600)
        assert successor.expires_at is not None
        assert timedelta(0) <= successor.expires_at - soon < timedelta(seconds=10)
        with pytest.raises(KeyNotRotatable, match=successor.id):
            rotate(session, old, grace_seconds=0)
        rotate(session, successor, grace_seconds=0)
    with transaction(engine) as session:
        assert check(session, token) is not None, "it has its grace"
        assert session.get_one(ApiKeyRow, successor.id).expires_at <= now(session)  # type: ignore[operator]


def test_a_grace_does_not_lengthen_a_key_and_a_dead_one_has_no_successor(engine: Engine) -> None:
    with transaction(engine) as session:
        soon = now(session) + timedelta(seconds=60)
        row = check(session, create_api_key(session, owner="a", scopes=["read"], expires_at=soon))
        assert row is not None
        rotate(session, row, grace_seconds=86_400)
        assert row.expires_at == soon
        row = check(session, create_api_key(session, owner="a", scopes=["read"]))
        assert row is not None
        revoke(session, row)
        with pytest.raises(KeyNotRotatable, match="revoked"):
            rotate(session, row, grace_seconds=0)


def test_uses_within_a_minute_are_one(engine: Engine) -> None:
    with transaction(engine) as session:
        row = check(session, create_api_key(session, owner="a", scopes=["read"]))
        assert row is not None
        note_use(session, row.id)
        session.refresh(row)
        first = row.last_used_at
        assert first is not None
        note_use(session, row.id)
        session.refresh(row)
        assert row.last_used_at == first
        row.last_used_at = first - timedelta(seconds=61)
        session.flush()
        note_use(session, row.id)
        session.refresh(row)
        assert row.last_used_at >= first


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
