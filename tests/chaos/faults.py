"""Doing to a service what a plan says, and undoing it in time."""

import contextlib
import heapq
import itertools
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import psutil
import redis
from kombu.exceptions import OperationalError as BrokerAway

from tests.chaos.plan import Blow, Fault, Part
from tests.chaos.world import World
from tests.servers.small_disk import fill, is_small
from worker.app import create_app
from worker.reconciler import ringer

_AIMS = 6


class _Undo(NamedTuple):
    at: float
    number: int
    act: Callable[[], object]


class Assailant:
    """Strikes blows, counts those that met something, and remembers what has to be undone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._undo: list[_Undo] = []
        self._numbers = itertools.count()
        self._ring = ringer(create_app(world.settings))
        self._busy: set[Fault] = set()
        self.counts: Counter[str] = Counter()
        self._aimed: Counter[Part] = Counter()
        self._met: Counter[Part] = Counter()

    def strike(self, blow: Blow, now: float) -> bool:
        """Do it, if there is somebody to do it to; whether there was."""
        act = {
            Fault.KILL: self._kill,
            Fault.STOP: self._stop,
            Fault.DRAIN: self._drain,
            Fault.LOCK_DATABASE: self._lock_database,
            Fault.DROP_CONNECTIONS: self._drop_connections,
            Fault.FLUSH_BROKER: self._flush_broker,
            Fault.RING_TWICE: self._ring_twice,
            Fault.FILL_DISK: self._fill_disk,
        }[blow.fault]
        self._aimed.update([blow.part] if blow.part else [])
        with contextlib.suppress(psutil.NoSuchProcess, redis.RedisError, sqlite3.Error, OSError):
            if act(blow, now):
                self._met.update([blow.part] if blow.part else [])
                self.counts[f"{blow.part} {blow.fault}" if blow.part else str(blow.fault)] += 1
                return True
        return False

    def never_met(self) -> list[Part]:
        """The parts aimed at time and again and never found: a storm that spares them proves little."""
        there = set(Part) if self._world.postgres is not None else set(Part) - {Part.DATABASE}
        aimed = {part for part, aims in self._aimed.items() if aims >= _AIMS}
        return sorted(aimed & there - self._met.keys())

    def undo_due(self, now: float) -> None:
        """Undo what has lasted long enough."""
        while self._undo and self._undo[0].at <= now:
            heapq.heappop(self._undo).act()

    def undo_all(self) -> None:
        """Undo everything."""
        self.undo_due(float("inf"))

    def _later(self, at: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._undo, _Undo(at, next(self._numbers), act))

    def _victims(self, blow: Blow) -> list[psutil.Process]:
        assert blow.part is not None
        attempt = blow.part == Part.ATTEMPT
        found = sorted(
            self._world.find(Part.WORKER if attempt else blow.part), key=lambda process: process.pid
        )
        if not found:
            return []
        chosen = found[int(blow.pick * len(found))]
        return self._world.attempt_of(chosen) if attempt else [chosen]

    def _kill(self, blow: Blow, now: float) -> bool:
        if blow.part == Part.DATABASE and self._world.postgres is not None and self._victims(blow):
            self._world.kill_database(min(blow.seconds, 3.0))
            return True
        victims = self._victims(blow)
        for victim in victims:  # stopped first, so that none can say goodbye for another
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.suspend()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        return bool(victims)

    def _stop(self, blow: Blow, now: float) -> bool:
        victims = self._victims(blow)
        if blow.part == Part.DATABASE:
            victims = [each for main in victims for each in self._world.attempt_of(main)]
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.suspend()
                self._later(now + blow.seconds, partial(_wake, victim))
        return bool(victims)

    def _drain(self, blow: Blow, now: float) -> bool:
        workers = self._world.find(Part.WORKER)
        if workers:
            workers[int(blow.pick * len(workers))].send_signal(signal.SIGTERM)
        return bool(workers)

    def _lock_database(self, blow: Blow, now: float) -> bool:
        if self._world.postgres is not None or Fault.LOCK_DATABASE in self._busy:
            return False
        return self._enter(Fault.LOCK_DATABASE, self._world.locked_sqlite(), now + blow.seconds)

    def _enter(self, fault: Fault, lasting: contextlib.AbstractContextManager[None], until: float) -> bool:
        stack = contextlib.ExitStack()
        stack.enter_context(lasting)
        self._busy.add(fault)
        stack.callback(self._busy.discard, fault)
        self._later(until, stack.close)
        return True

    def _drop_connections(self, blow: Blow, now: float) -> bool:
        with self._world.broker() as broker:
            broker.client_kill_filter(_type="normal", skipme=True)
        return True

    def _flush_broker(self, blow: Blow, now: float) -> bool:
        with self._world.broker() as broker:
            broker.flushall()
        return True

    def _ring_twice(self, blow: Blow, now: float) -> bool:
        with contextlib.suppress(BrokerAway):
            self._ring(1)
            self._ring(1)
            return True
        return False

    def _fill_disk(self, blow: Blow, now: float) -> bool:
        folder = self._world.folder
        if not is_small(folder) or Fault.FILL_DISK in self._busy:
            return False
        ballast = fill(folder)
        self._busy.add(Fault.FILL_DISK)
        self._later(now + blow.seconds, lambda: (ballast.unlink(), self._busy.discard(Fault.FILL_DISK)))
        return True


def _wake(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()
