"""The transition table against the design, and the ledger against the table, exhaustively."""

from itertools import product

import pytest
from sqlalchemy import Engine

from core.errors import ImpossibleTransition
from core.jobs.database import now, transaction
from core.jobs.ledger.fence import move
from core.jobs.states import FINAL, HELD, Actor, State, may, origins
from core.jobs.tables.jobs import JobRow, OutboxRow
from tests.core.jobs.arranging import events, job, queue, set_fields

DESIGN = """
queued     -> starting   : claim
starting   -> running    : holder
queued     -> cancelled  : api
paused     -> cancelled  : api
starting   -> cancelling : api
running    -> cancelling : api
pausing    -> cancelling : api
starting   -> pausing    : api
running    -> pausing    : api
cancelling -> cancelled  : holder reaper
pausing    -> paused     : holder reaper
paused     -> queued     : api
running    -> succeeded  : holder
starting   -> queued     : holder reaper
running    -> queued     : holder reaper
starting   -> failed     : holder reaper
running    -> failed     : holder reaper
queued     -> failed     : reaper
paused     -> failed     : reaper
"""
EVERYTHING = list(product(State, State, Actor))


def allowed() -> set[tuple[State, State, Actor]]:
    lines = [line.replace("->", "").replace(":", "").split() for line in DESIGN.strip().splitlines()]
    return {(State(a), State(b), Actor(actor)) for a, b, *actors in lines for actor in actors}


def test_the_table_is_the_design_and_nothing_else() -> None:
    assert {(a, b, actor) for a, b, actor in EVERYTHING if may(actor, origin=a, target=b)} == allowed()


def test_final_states_are_final() -> None:
    assert not any(may(actor, origin=a, target=b) for a, b, actor in EVERYTHING if a in FINAL)


def test_every_state_can_be_reached_and_every_held_state_left_by_the_reaper() -> None:
    assert all(any(origins(actor, state) for actor in Actor) for state in set(State))
    assert all(any(may(Actor.REAPER, origin=state, target=b) for b in State) for state in HELD)


@pytest.mark.parametrize("actor", Actor)
def test_the_ledger_obeys_the_table(engine: Engine, actor: Actor) -> None:
    job_id = queue(engine)
    for origin, target in product(State, State):
        token = "held" if origin in HELD else None
        set_fields(engine, job_id, state=origin, lease_token=token, last_event=1)
        with transaction(engine) as session:
            row = session.get_one(JobRow, job_id)
            before = row.version
            if (origin, target, actor) not in allowed():
                with pytest.raises(ImpossibleTransition) as refusal:
                    move(session, row, target, actor=actor, at=now(session))
                assert refusal.value.state == origin
                assert (row.state, row.version) == (origin, before)
                continue
            move(session, row, target, actor=actor, at=now(session))
            session.flush()
            assert (row.state, row.version, row.last_event) == (target, before + 1, 2)
            assert (row.lease_token == token) == (target in HELD or token is None)
            assert (row.finished_at is not None) == (target in FINAL)
            assert (session.get(OutboxRow, job_id) is not None) == (target == State.QUEUED)
            session.rollback()


def test_a_transition_leaves_an_event(engine: Engine) -> None:
    job_id = queue(engine)
    (first,) = events(engine, job_id)
    assert (first.sequence, first.type) == (1, "state")
    assert first.data == {"from": None, "to": "queued", "reason": None, "message": None, "attempt": 0}
    assert job(engine, job_id).version == 1
