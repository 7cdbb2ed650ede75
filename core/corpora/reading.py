"""Read a source in parallel with writing the corpus, in a thread or in several processes.

A source is a sequence of pieces. A few pieces at a time are submitted in order, and results are taken in
order. Memory stays bounded, and the result does not depend on the processes' speed.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process

from core.corpora.readers.raw_clip import OpenedSource, Piece, normalised
from core.corpora.source import ReadReport, SourceClip
from core.pose.normalise import NormalisationProfile
from core.program.heartbeat import Heartbeat
from core.program.in_background import await_future
from core.program.memory_limit import SMALLEST_LIMIT, limit_memory, memory_limit
from core.source_files import Confinement, confine, confinement

_PIECES_PER_PROCESS = 2
"""Pieces submitted per process: one being read, one waiting."""

PieceRead = tuple[list[SourceClip], ReadReport]


def read_clips(
    source: OpenedSource, *, processes: int, heartbeat: Heartbeat = lambda: None
) -> Generator[SourceClip, None, None]:
    """Yield the source's usable clips in order, and count the skipped ones in its report.

    Up to `processes` processes read a source of separate files; a thread reads any other source. `heartbeat`
    is called while the next clips are waited for, and may raise to stop. Close or exhaust the generator to
    end the processes; a thread ends after its few clips. They also end when this process ends for any reason,
    even a kill. The calling program must guard its main (`if __name__ == "__main__"`).

    Raises:
        CorpusError: the source is damaged.
        MemoryError: one of the processes was killed.
    """
    processes = _affordable(processes) if source.separate_files else 1
    others, pool = set(active_children()), _make_pool(processes)
    is_done = False
    try:
        for clips, report in _read_in_order(pool, source, processes * _PIECES_PER_PROCESS, heartbeat):
            source.report.add(report)
            yield from clips
        is_done = True
    except BrokenProcessPool:
        raise MemoryError(
            "A process that read clips was killed, most likely because memory ran out."
        ) from None
    finally:
        if not is_done:
            for process in set(active_children()) - others:
                process.kill()
        pool.shutdown(wait=is_done or processes > 1, cancel_futures=True)  # until every process has ended


def _make_pool(processes: int) -> Executor:
    """Make the executor. For one process use a thread, which saves sending the clips between processes."""
    if processes == 1:
        return ThreadPoolExecutor(1, thread_name_prefix="reading")
    context = get_context("spawn")  # a fork would copy locks that this process' threads hold
    limit = memory_limit()
    share = None if limit is None else limit // 2 // processes
    held = (confinement(), share)
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_init_process, initargs=held)


def _affordable(processes: int) -> int:
    """Return how many processes get enough memory, if they share half of this process' limit."""
    limit = memory_limit()
    return processes if limit is None else max(1, min(processes, limit // 2 // SMALLEST_LIMIT))


def _read_in_order(
    pool: Executor, source: OpenedSource, num_under_way: int, heartbeat: Heartbeat
) -> Iterator[PieceRead]:
    under_way: deque[Future[PieceRead]] = deque()
    for piece in source.pieces:
        under_way.append(pool.submit(_read_piece, piece, source.profile))
        if len(under_way) == num_under_way:
            yield await_future(under_way.popleft(), heartbeat)
    while under_way:
        yield await_future(under_way.popleft(), heartbeat)


def _read_piece(piece: Piece, profile: NormalisationProfile) -> PieceRead:
    report = ReadReport()
    return list(normalised(piece, profile, report)), report


def _init_process(held: Confinement | None, max_bytes: int | None) -> None:
    """Set up a reader process: ignore Ctrl-C, which the parent handles, and exit when the parent exits."""
    if held is not None:
        confine(held)
    if max_bytes is not None:
        limit_memory(max_bytes)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
