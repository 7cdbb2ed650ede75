"""Writes audit entries in batches: what arrives while one commit is under way shares the next."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from anyio import to_thread
from sqlalchemy import Engine

from core.jobs.audit_trail import Change, record
from core.jobs.database import transaction

_log = logging.getLogger("signforge.api")


@dataclass
class AuditWriter:
    """The audit trail's one writer in a process. Used in one event loop."""

    _waiting: list[tuple[Change, asyncio.Future[None]]] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def write(self, engine: Engine, change: Change) -> None:
        """Return when the entry is committed or, if that failed, in the log."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((change, written))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all(engine))
        await asyncio.shield(written)

    async def _write_all(self, engine: Engine) -> None:
        try:
            while batch := self._waiting:
                self._waiting = []
                await _write_or_log(engine, [change for change, _ in batch])
                for _, written in batch:
                    if not written.done():
                        written.set_result(None)
        finally:
            self._task = None


async def _write_or_log(engine: Engine, changes: Sequence[Change]) -> None:
    """Raises nothing: those who wait would wait for ever, also if no thread or no file could be opened."""
    try:
        await to_thread.run_sync(_write, engine, changes)
    except Exception as error:
        for change in changes:
            _log.error("Cannot write to the audit trail (%s): %s", type(error).__name__, change)


def _write(engine: Engine, changes: Sequence[Change]) -> None:
    with transaction(engine) as session:
        record(session, changes)
