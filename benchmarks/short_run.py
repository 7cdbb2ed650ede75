"""Time the steps of a short real pretraining run with an observer."""

import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from core.errors import Stopped
from core.program.observer import SilentObserver
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain


def step_seconds(
    corpus: Path, *, recipe: str, batch_size: int, steps: int, skip: int, **settings: object
) -> float:
    """Return the median step of a run of `steps` steps without the first `skip`; its output is removed.

    `settings` are further fields of the run: device, precision, engine.
    """
    run = {"batch_size": batch_size, "log_every_steps": 1, "monitor_every_steps": None, **settings}
    spec = PretrainSpec(corpus=str(corpus), recipe=recipe, overrides={"run": run})
    clock = Clock(steps)
    with tempfile.TemporaryDirectory(prefix="signforge-run-") as out, suppress(Stopped):
        pretrain(spec, Path(out), observer=clock)
    return statistics.median(end - begin for begin, end in pairwise(clock.times[skip:]))


class Clock(SilentObserver):
    """Records the time of each step, and stops the run after `steps` steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.times: list[float] = []

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        self.times.append(time.perf_counter())

    def should_stop(self) -> bool:
        return len(self.times) >= self.steps
