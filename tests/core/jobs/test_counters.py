"""Counters that several processes share."""

import threading

from sqlalchemy import Engine

from core.jobs import counters
from core.jobs.database import reading, transaction


def test_nothing_is_lost_between_those_who_count_at_once(engine: Engine) -> None:
    def count() -> None:
        for _ in range(10):
            with transaction(engine) as session:
                counters.add(session, {"rings": 1, "beats": 2})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction(engine) as session:
        counters.put(session, "seen", 7)
        counters.put(session, "seen", 8)
        counters.add(session, {})
    with reading(engine) as session:
        assert counters.values(session) == {"rings": 40, "beats": 80, "seen": 8}
