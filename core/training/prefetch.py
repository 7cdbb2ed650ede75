"""Making the next step's batch while this step computes."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Prefetch(Generic[Batch]):
    """Calls `make(step)` on one thread of its own, always one step ahead of the step that is asked for.

    `make` must be a function of the step alone; then so are the batches, whatever step a run begins with.
    What it raises is raised where that step's batch is asked for. Worth it where `make` waits, for a disk or
    for a copy; arithmetic it does competes with the step's own. Nothing is made for `end` or beyond. As a
    context manager it leaves no thread behind.
    """

    def __init__(self, make: Callable[[int], Batch], *, end: int) -> None:
        self._make, self._end = make, end
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._ahead: tuple[int, Future[Batch]] | None = None

    def __call__(self, step: int) -> Batch:
        """The batch of a step; the next one's is begun."""
        batch = self._begun(step)
        self._ahead = (step + 1, self._thread.submit(self._make, step + 1)) if step + 1 < self._end else None
        return batch.result()

    def _begun(self, step: int) -> Future[Batch]:
        if self._ahead is not None and self._ahead[0] == step:
            return self._ahead[1]
        return self._thread.submit(self._make, step)

    def __enter__(self) -> "Prefetch[Batch]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)
