"""Periodic garbage collection of the artifact store, in a thread beside the reconciler's rounds.

The files to remove are read from the database first, and removed while no transaction is open. Several
reconcilers take turns. Two concurrent collections do no harm: the second finds less to remove.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from core.errors import StorageError
from core.jobs import counters, garbage
from core.jobs.counters import COLLECTED_BYTES, COLLECTED_FILES
from core.jobs.database import reading, transaction
from core.jobs.settings import Settings
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.clearing import Freed
from worker.persistence import DATABASE_AWAY

_log = logging.getLogger(__name__)


class Collection:
    """Collects garbage every few minutes, in a daemon thread that does not delay a stop."""

    def __init__(
        self,
        engine: Engine,
        store: ArtifactStore,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._store, self._clock = engine, store, clock
        self._every = settings.collect_every_seconds
        self._delay = timedelta(seconds=settings.collect_after_seconds)
        self._due = float("-inf")
        self._thread: threading.Thread | None = None

    def round(self) -> None:
        """Start a collection if one is due, and return without waiting for it."""
        if self._every == 0 or self._clock() < self._due or self.busy:
            return
        self._due = self._clock() + self._every
        self._thread = threading.Thread(target=self._run, name="collection", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a collection is running."""
        return self._thread is not None and self._thread.is_alive()

    def collect(self) -> None:
        """Remove garbage now, unless another reconciler has done so recently.

        Raises:
            StorageError: the store became unavailable before the end.
        """
        at = datetime.fromtimestamp(self._clock(), UTC)
        with transaction(self._engine) as session:
            if not garbage.take_turn(session, at=at, every_seconds=self._every):
                return
        found, freed = Counter[str](), Freed()
        try:
            for what, more in self._collected(at):
                found[what] += min(more.num_files, 1)
                freed += more
        finally:
            _report(found, freed)

    def _run(self) -> None:
        try:
            self.collect()
        except DATABASE_AWAY as error:
            _log.warning("Garbage collection is postponed: the database is unavailable: %s", error)
        except StorageError as error:
            _log.warning("Garbage collection is postponed: %s", error)
        except Exception:
            _log.exception("Garbage collection failed.")

    def _collected(self, at: datetime) -> Iterator[tuple[str, Freed]]:
        for job_id in self._jobs(at - self._delay):
            yield "jobs", self._collect_job(job_id, at)
        for folder in garbage.FOLDERS:
            for location in self._orphans(folder, at - self._delay):
                freed = self._store.clear(location)
                self._count(freed)
                yield folder, freed

    def _jobs(self, before: datetime) -> Iterator[str]:
        """Jobs to collect, page by page. A job whose files cannot be removed does not come up twice."""
        last = None
        while True:
            with reading(self._engine) as session:
                page = garbage.jobs_to_collect(session, before=before, after=last)
            if not page:
                return
            yield from (job_id for _, job_id in page)
            last = page[-1]

    def _collect_job(self, job_id: str, at: datetime) -> Freed:
        with reading(self._engine) as session:
            keep = garbage.kept_checkpoints(session, job_id)
        location = self._store.location_of(self._store.job_folder(job_id))
        freed = self._store.clear(location, keep=keep)
        self._count(freed)
        if not freed.troubles:
            with transaction(self._engine) as session:
                garbage.mark_collected(session, job_id, before=at - self._delay, at=at)
        return freed

    def _orphans(self, folder: str, before: datetime) -> list[str]:
        """Orphans in a folder. The store is listed before the rows, so a row written later counts."""
        entries = self._store.entries(folder)
        with reading(self._engine) as session:
            found = garbage.orphans(session, folder, entries, before=before)
        return [entry.location for entry in found]

    def _count(self, freed: Freed) -> None:
        if freed.num_files:
            amounts = {COLLECTED_FILES: freed.num_files, COLLECTED_BYTES: freed.num_bytes}
            with transaction(self._engine) as session:
                counters.add(session, amounts)


def _report(found: Counter[str], freed: Freed) -> None:
    for trouble in freed.troubles:
        _log.warning("%s", trouble)
    if freed.num_files:
        summary = ", ".join(f"{number} of {what}" for what, number in sorted((+found).items()))
        _log.info(
            "Garbage collection removed %d files (%d bytes): %s.",
            freed.num_files,
            freed.num_bytes,
            summary,
        )
