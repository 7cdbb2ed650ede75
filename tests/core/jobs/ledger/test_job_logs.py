"""Job logs by byte offset: stored text equals written text for any cuts, and omissions are marked."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.jobs.database import reading, transaction
from core.jobs.ledger import outcomes
from core.jobs.ledger.job_logs import PIECE_BYTES, LogPage, append_log, read_log, stored_until
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.log_text import clean, complete
from core.jobs.states import Reason
from core.jobs.tables.jobs import JobLogRow
from tests.core.jobs.arranging import POLICY, claim_next, hold, queue

ENOUGH = 2**24


@given(st.binary())
def test_cleaned_text_is_utf8_of_the_same_length(raw: bytes) -> None:
    text = clean(raw)
    assert len(text) == len(raw)
    assert "\0" not in text.decode()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.data())
def test_whole_characters_are_kept_whole(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    assert clean(raw) == raw
    cut = data.draw(st.integers(0, len(raw)))
    assert raw[:cut].decode(errors="ignore").encode() == complete(raw[:cut])


@pytest.mark.slow
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # each example has a job of its own
@given(st.lists(st.text("aé漢🖐\n", max_size=3_000), max_size=12), st.integers(4, 40_000))
def test_pages_put_together_are_what_was_written(
    sqlite_engine: Engine, parts: list[str], page_bytes: int
) -> None:
    engine, claimed = sqlite_engine, hold(sqlite_engine)
    offset = 0
    for part in parts:
        offset = _append(engine, claimed, part.encode(), offset)
    text, reached = "", 0
    while True:
        page = _read(engine, claimed, offset=reached, max_bytes=page_bytes)
        assert sum(len(piece.text.encode()) for piece in page.pieces) <= page_bytes
        text, reached = text + _text(page), page.next_offset
        if not page.has_more:
            break
    assert text == "".join(parts)
    with reading(engine) as session:
        assert all(row.num_bytes <= PIECE_BYTES for row in session.query(JobLogRow))


def test_a_write_whose_answer_was_lost_may_be_repeated(engine: Engine) -> None:
    claimed = hold(engine)
    for raw in (b"one\n", b"one\ntwo\n", b"one\ntwo\n"):
        _append(engine, claimed, raw, 0)
    assert _text(_read(engine, claimed)) == "one\ntwo\n"


def test_the_oldest_is_left_out_and_that_is_said(engine: Engine) -> None:
    claimed = hold(engine)
    line = b"%015d\n"
    offset = 0
    for number in range(10):
        offset = _append(engine, claimed, line % number * 1024, offset, most=4 * PIECE_BYTES)
    page = _read(engine, claimed)
    first = page.pieces[0]
    assert first.left_out_bytes == first.offset == 6 * PIECE_BYTES
    assert f"{6 * PIECE_BYTES:,} bytes are left out" in str(first.remark)
    assert [piece.remark for piece in page.pieces[1:]] == [None] * 3
    assert _text(page).startswith(f"{6:015d}\n")
    assert page.next_offset == offset == 10 * PIECE_BYTES


def test_the_last_words_of_every_attempt_stay(engine: Engine) -> None:
    claimed = hold(engine)
    _append(engine, claimed, b"x" * 2 * PIECE_BYTES + b"RuntimeError: first", 0)
    again = _requeue(engine, claimed)
    _append(engine, again, b"y" * 20 * PIECE_BYTES + b"ValueError: second", 0, most=2**16)
    assert _text(_read(engine, claimed, attempt=1)).endswith("RuntimeError: first")
    assert _text(_read(engine, claimed, attempt=2)).endswith("ValueError: second")
    with reading(engine) as session:
        assert sum(row.num_bytes for row in session.query(JobLogRow)) <= 2**16


def test_attempts_are_apart_and_the_newest_is_the_default(engine: Engine) -> None:
    claimed = hold(engine)
    _append(engine, claimed, b"first\n", 0)
    again = _requeue(engine, claimed)
    _append(engine, again, b"second\n", 0)
    first, newest = _read(engine, claimed, attempt=1), _read(engine, claimed)
    assert (first.attempt, _text(first), first.is_over) == (1, "first\n", True)
    assert (newest.attempt, _text(newest), newest.is_over) == (2, "second\n", False)
    with reading(engine) as session:
        assert stored_until(session, claimed.job_id, 1) == 6
        assert read_log(session, claimed.job_id, attempt=3, max_bytes=ENOUGH) is None
        assert read_log(session, queue(engine), max_bytes=ENOUGH) is None


def _append(engine: Engine, claimed: Claim, raw: bytes, offset: int, *, most: int = ENOUGH) -> int:
    with transaction(engine) as session:
        append_log(
            session, claimed.lease, raw, attempt=claimed.attempt, offset=offset, max_bytes_per_job=most
        )
    return offset + len(raw)


def _read(
    engine: Engine,
    claimed: Claim,
    *,
    attempt: int | None = None,
    offset: int = 0,
    max_bytes: int = ENOUGH,
) -> LogPage:
    with reading(engine) as session:
        page = read_log(session, claimed.job_id, attempt=attempt, offset=offset, max_bytes=max_bytes)
    assert page is not None
    return page


def _text(page: LogPage) -> str:
    return "".join(piece.text for piece in page.pieces)


def _requeue(engine: Engine, claimed: Claim) -> Claim:
    with transaction(engine) as session:
        outcomes.requeue(
            session, claimed.lease, charged=False, reason=Reason.DRAINED, message="", policy=POLICY
        )
    again = claim_next(engine)
    assert again is not None
    return again
