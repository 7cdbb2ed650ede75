"""A program's log over HTTP: while it runs, in pages, as JSON and as text."""

import pytest

from core.jobs.ledger.fence import Lease
from core.jobs.ledger.job_logs import append_log
from core.jobs.ledger.outcomes import fail
from core.jobs.states import Reason
from tests.api.conftest import Bench


def write(bench: Bench, lease: Lease, raw: bytes, *, offset: int = 0) -> None:
    bench.write(append_log, lease, raw, attempt=lease.attempt, offset=offset, max_bytes_per_job=2**20)


def test_a_running_programs_words_can_be_read(bench: Bench) -> None:
    job_id = bench.submit_import()
    nothing = bench.client.get(f"/v1/jobs/{job_id}/logs").json()
    assert (nothing["data"], nothing["attempt"], nothing["is_over"]) == ([], 0, False)
    lease = bench.start().lease
    write(bench, lease, b"reading\n")
    page = bench.client.get(f"/v1/jobs/{job_id}/logs").json()
    assert [piece["text"] for piece in page["data"]] == ["reading\n"]
    assert (page["attempt"], page["newest_attempt"], page["next_offset"]) == (1, 1, 8)
    assert (page["has_more"], page["is_over"]) == (False, False)
    write(bench, lease, b"writing\n", offset=8)
    bench.write(fail, lease, reason=Reason.USER_ERROR, message="no")
    page = bench.client.get(f"/v1/jobs/{job_id}/logs?offset=8").json()
    assert [(piece["offset"], piece["text"]) for piece in page["data"]] == [(8, "writing\n")]
    assert page["is_over"]


def test_as_text_it_has_a_line_where_bytes_are_left_out_and_a_link_to_more(bench: Bench) -> None:
    job_id = bench.submit_import()
    lease = bench.start().lease
    write(bench, lease, b"ends here\n" + 2000 * b"x", offset=500)
    answer = bench.client.get(
        f"/v1/jobs/{job_id}/logs", params={"limit": 1024}, headers={"Accept": "text/plain"}
    )
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    first, rest = answer.text.split("\n", 1)
    assert "500 bytes are left out" in first
    assert rest.startswith("ends here\n")
    following = answer.links["next"]["url"]
    more = bench.client.get(following, headers={"Accept": "text/plain"})
    assert rest + more.text == "ends here\n" + 2000 * "x"
    assert "Link" not in more.headers


@pytest.mark.parametrize("query", ["attempt=0", "offset=-1", "limit=1", "lines=5"])
def test_parameters_that_make_no_sense_are_refused(bench: Bench, query: str) -> None:
    job_id = bench.submit_import()
    assert bench.client.get(f"/v1/jobs/{job_id}/logs?{query}").status_code == 422


def test_an_attempt_that_was_not_and_somebody_elses_job_are_not_found(bench: Bench) -> None:
    job_id = bench.submit_import()
    answer = bench.client.get(f"/v1/jobs/{job_id}/logs?attempt=2")
    assert (answer.status_code, "no attempt 2" in answer.json()["detail"]) == (404, True)
    assert bench.client_of("ben", "read").get(f"/v1/jobs/{job_id}/logs").status_code == 404
