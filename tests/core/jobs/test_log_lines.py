"""Log lines: plain and JSON formats, context fields, and no secrets."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from sqlalchemy import Engine, text

from core.jobs import log_lines
from core.jobs.database import transaction
from core.jobs.ledger.leases import renew
from core.jobs.settings import Settings
from tests.core.jobs.arranging import hold

Log = Callable[[str], StringIO]


@pytest.fixture
def logger() -> logging.Logger:
    return logging.getLogger("tests.log_lines")


@pytest.fixture
def log(logger: logging.Logger) -> Iterator[Log]:
    """Has the logger write in a form, and returns where to."""
    before = list(logger.handlers)

    def write(log_format: str) -> StringIO:
        lines = StringIO()
        settings = Settings.model_validate({"log_format": log_format})
        logger.addHandler(log_lines.handler("supervisor", settings, lines))
        logger.setLevel(logging.INFO)
        return lines

    yield write
    logger.handlers = before


def test_a_machine_gets_an_object_a_line(logger: logging.Logger, log: Log) -> None:
    lines = log("json")
    with log_lines.about(job_id="job_1", request_id=None):
        with log_lines.about(attempt=2):
            logger.warning("It said\n%s", "no", extra={"about": {"step": 7}})
        logger.info("It ended.")
    logger.info("Nothing is known.")
    first, second, third = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert first["message"] == "It said\nno"
    assert (first["level"], first["process"], first["logger"]) == ("warning", "supervisor", logger.name)
    assert (first["job_id"], first["attempt"], first["step"]) == ("job_1", 2, 7)
    assert first["time"].endswith("+00:00")
    assert (second["job_id"], "attempt" in second, "request_id" in second) == ("job_1", False, False)
    assert "job_id" not in third


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_message_can_neither_forge_a_line_nor_fill_the_log(
    logger: logging.Logger, log: Log, log_format: str
) -> None:
    lines = log(log_format)
    logger.info("GET /a\n2026-01-01 00:00:00,000 api INFO all is well\r\u2028\x1b[2J")
    logger.info("GET /%s", "a" * 100_000)
    first, second = lines.getvalue().splitlines()
    assert "\x1b" not in first
    assert "all is well" in first
    assert len(second) < 5000
    assert "100,005 characters" in second


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_neither_can_a_context_field(logger: logging.Logger, log: Log, log_format: str) -> None:
    lines = log(log_format)
    logger.info("GET", extra={"about": {"job_id": "job_1\n2026-01-01 00:00:00,000 api INFO all is well"}})
    with log_lines.about(job_id="a" * 100_000):
        logger.info("GET")
    first, second = lines.getvalue().splitlines()
    assert "all is well" in first
    assert len(second) < 5000


def test_no_line_of_a_traceback_reads_like_one_of_the_log(logger: logging.Logger, log: Log) -> None:
    lines = log("text")
    try:
        raise ValueError("no\n2026-01-01 00:00:00,000 api INFO all is well")
    except ValueError:
        logger.exception("It failed.")
    first, *others = lines.getvalue().splitlines()
    assert "It failed." in first
    assert all(line.startswith("  ") for line in others)


def test_a_traceback_stays_in_its_line(logger: logging.Logger, log: Log) -> None:
    lines = log("json")
    try:
        raise ValueError("no")
    except ValueError:
        logger.exception("It failed.")
    (line,) = lines.getvalue().splitlines()
    assert "ValueError: no" in json.loads(line)["exception"]


def test_a_person_gets_a_sentence_and_behind_it_what_it_is_about(logger: logging.Logger, log: Log) -> None:
    lines = log("text")
    with log_lines.about(job_id="job_1", attempt=2):
        logger.info("It ended.")
    logger.info("Nothing is known.")
    first, second = lines.getvalue().splitlines()
    assert first.endswith("supervisor INFO It ended.  job_id=job_1 attempt=2")
    assert second.endswith("supervisor INFO Nothing is known.")


def test_what_a_process_is_about_reaches_its_threads(
    logger: logging.Logger, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_lines, "_of_process", {})
    lines = log("json")
    log_lines.set_process_context(job_id="job_9")
    thread = threading.Thread(target=logger.info, args=["It printed."])
    thread.start()
    thread.join()
    assert json.loads(lines.getvalue())["job_id"] == "job_9"


def test_no_error_of_the_database_and_no_claim_shows_a_token(engine: Engine) -> None:
    claimed = hold(engine)
    with transaction(engine) as session:
        session.execute(text("ALTER TABLE jobs RENAME TO jobs_elsewhere"))
    try:
        with pytest.raises(Exception, match="jobs") as caught, transaction(engine) as session:
            renew(session, claimed.lease, 60)
    finally:
        with transaction(engine) as session:
            session.execute(text("ALTER TABLE jobs_elsewhere RENAME TO jobs"))
    for said in (str(caught.value), repr(caught.value), repr(claimed), repr(claimed.lease)):
        assert claimed.lease_token not in said
