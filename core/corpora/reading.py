"""Reading a source while the corpus is written, in a thread or in several processes: the same, only sooner.

A source is a row of pieces. They go to the processes in order and come back in order, a few at a time, so
memory stays bounded and nothing depends on who was quickest.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from core.corpora.readers.raw_clip import OpenedSource, Piece, normalised
from core.corpora.source import ReadReport, SourceClip
from core.pose.normalise import NormalisationProfile

_PIECES_PER_PROCESS = 2
"""Pieces under way: one being read, one waiting."""

PieceRead = tuple[list[SourceClip], ReadReport]


def read_clips(source: OpenedSource, *, processes: int) -> Generator[SourceClip, None, None]:
    """The source's usable clips, in order; the others are counted in its report.

    A source in separate files is read by up to `processes` processes, any other one in a thread. Close the
    generator (or exhaust it) to end them. They also end when this process does, however it does. The calling
    program must guard its main (`if __name__ == "__main__"`).

    Raises:
        CorpusError: the source turns out to be damaged.
        MemoryError: one of the processes was killed.
    """
    processes = processes if source.separate_files else 1
    pool = _pool_of(processes)
    try:
        for clips, report in _in_order(pool, source, processes * _PIECES_PER_PROCESS):
            source.report.add(report)
            yield from clips
    except BrokenProcessPool:
        raise MemoryError("A process that read clips was killed, most likely for want of memory.") from None
    finally:
        pool.shutdown(cancel_futures=True)  # waits until every process has ended


def _pool_of(processes: int) -> Executor:
    """One process of its own would only have to be sent everything: a thread reads while this one writes."""
    if processes == 1:
        return ThreadPoolExecutor(1, thread_name_prefix="reading")
    context = get_context("spawn")  # a fork would take over locks that this process' threads hold
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare)


def _in_order(pool: Executor, source: OpenedSource, num_under_way: int) -> Iterator[PieceRead]:
    under_way: deque[Future[PieceRead]] = deque()
    for piece in source.pieces:
        under_way.append(pool.submit(_read_piece, piece, source.profile))
        if len(under_way) == num_under_way:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _read_piece(piece: Piece, profile: NormalisationProfile) -> PieceRead:
    report = ReadReport()
    return list(normalised(piece, profile, report)), report


def _prepare() -> None:
    """In a new process: end with the one that started it, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
