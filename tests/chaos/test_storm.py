"""A short storm; the long ones, on either database, are `make chaos`."""

import subprocess
import sys

import pytest

from tests.chaos.plan import Fault, Part, Plan

_SECONDS = 12


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(420)
def test_nothing_is_lost_doubled_or_left_in_a_short_storm() -> None:
    """On PostgreSQL: the single faults of tests/worker/test_faults.py are done to SQLite."""
    options = ["--seed", "12", "--minutes", str(_SECONDS / 60), "--database", "postgresql"]
    command = [sys.executable, "-m", "tests.chaos", *options]
    storm = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert storm.returncode == 0, storm.stdout + storm.stderr
    assert "0  violations" in storm.stdout
    assert "faults in all" in storm.stdout


def test_a_seed_draws_the_same_faults_and_jobs_again() -> None:
    first, again, other = Plan(5), Plan(5), Plan(6)
    blows = [first.next_blow() for _ in range(500)]
    assert blows == [again.next_blow() for _ in range(500)]
    assert [first.next_wish() for _ in range(50)] == [again.next_wish() for _ in range(50)]
    assert blows != [other.next_blow() for _ in range(500)]


def test_every_part_is_killed_and_stopped_and_every_fault_happens() -> None:
    plan = Plan(2)
    blows = [plan.next_blow() for _ in range(2000)]
    assert {blow.fault for blow in blows} == set(Fault)
    for fault in (Fault.KILL, Fault.STOP):
        assert {blow.part for blow in blows if blow.fault == fault} == set(Part)
    stops = [blow.seconds for blow in blows if blow.fault == Fault.STOP]
    assert max(stops) > 6, "some outlast a lease"
    assert sorted(stops)[len(stops) // 2] < 4, "most do not"
