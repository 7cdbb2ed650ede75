"""Database writes are retried with backoff during an outage, up to a deadline."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tests.worker.attempt.test_reporter import Clock
from worker.persistence import retry_while_database_away


def missing(session: Session) -> int:
    return int(session.execute(text("SELECT count(*) FROM late_table")).scalar_one())


def test_it_insists_until_the_database_is_back(sqlite_engine: Engine) -> None:
    clock = Clock()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.time += seconds
        if len(pauses) == 4:
            with sqlite_engine.begin() as connection:
                connection.execute(text("CREATE TABLE late_table (id INTEGER)"))

    assert retry_while_database_away(sqlite_engine, missing, within_seconds=60, pause=pause, clock=clock) == 0
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6])


def test_it_gives_up_in_time(sqlite_engine: Engine) -> None:
    clock = Clock()

    def pause(seconds: float) -> None:
        clock.time += seconds

    with pytest.raises(OperationalError):
        retry_while_database_away(sqlite_engine, missing, within_seconds=30, pause=pause, clock=clock)
    assert clock.time - 1_000 < 40


def test_other_faults_are_not_borne(sqlite_engine: Engine) -> None:
    def broken(_session: Session) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retry_while_database_away(sqlite_engine, broken, within_seconds=60, pause=lambda _: None)
