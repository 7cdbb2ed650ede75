"""Pagination: cursors return every row once, in order, for any page size and concurrent inserts."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from api.paging import PageQuery, decode_cursor, encode_cursor, page_of
from api.problems import Problem
from core.jobs.tables.base import Tables
from core.jobs.tables.jobs import JobRow
from tests.api.conftest import Bench

START = datetime(2025, 1, 1, tzinfo=UTC)


def row(index: int, microseconds: int) -> JobRow:
    at = START + timedelta(microseconds=microseconds)
    return JobRow(
        id=f"job_{index:04d}",
        owner="ada",
        kind="import",
        spec={},
        state="queued",
        created_at=at,
        updated_at=at,
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    times=st.lists(st.integers(0, 3) | st.integers(0, 10**12), max_size=25),
    limit=st.integers(1, 10),
    newcomers=st.integers(0, 5),
)
def test_cursors_meet_every_row_once_in_order(times: list[int], limit: int, newcomers: int) -> None:
    engine = create_engine("sqlite://")
    Tables.metadata.create_all(engine)
    with Session(engine) as session:
        rows = [row(index, microseconds) for index, microseconds in enumerate(times)]
        expected = [r.id for r in sorted(rows, key=lambda r: (r.created_at, r.id), reverse=True)]
        session.add_all(rows)
        session.flush()
        met: list[str] = []
        cursor = None
        while True:
            page, cursor = page_of(session, select(JobRow), JobRow, PageQuery(limit=limit, cursor=cursor))
            met += [found.id for found in page]
            if cursor is None:
                break
            assert len(page) == limit
            for late in range(newcomers):
                session.add(row(1000 + len(met) * 10 + late, 10**13 + len(met)))
            session.flush()
    engine.dispose()
    assert met == expected


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.from_regex(r"[a-z]{3}_[0-9a-f]{1,32}", fullmatch=True),
)
def test_a_cursor_survives_its_coding(created_at: datetime, identifier: str) -> None:
    assert decode_cursor(encode_cursor(created_at, identifier)) == (created_at, identifier)


@given(st.text(max_size=60))
def test_what_is_no_cursor_is_refused_and_never_a_fault(text: str) -> None:
    with suppress(Problem):
        created_at, identifier = decode_cursor(text)
        assert decode_cursor(encode_cursor(created_at, identifier)) == (created_at, identifier)


def test_pages_over_http_carry_a_link(bench: Bench) -> None:
    ids = [bench.submit_import(f"corpus-{index}") for index in range(5)]
    met: list[str] = []
    where = "/v1/jobs?kind=import&limit=2"
    while True:
        answer = bench.client.get(where)
        page = answer.json()
        met += [job["id"] for job in page["data"]]
        assert page["has_more"] == ("link" in answer.headers) == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        where = answer.links["next"]["url"]
    assert met == ids[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=!!", "cursor=YWJj", "cursor=OTk5OjE6Mg"])
def test_bad_pages_are_refused(bench: Bench, query: str) -> None:
    answer = bench.client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == "query"
