"""Runs on several ranks, for tests: what they say is kept, and acted upon."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from core.program.frame import Launch
from core.program.observer import SilentObserver
from core.specs.jobs import PretrainSpec
from core.training.rank_launcher import launch_ranks

PRETRAIN = "core.training.pretrain"


class Listener(SilentObserver):
    """Keeps the losses of every step, not the embeddings' quality; calls `at_checkpoint` when told of one."""

    def __init__(
        self,
        *,
        at_checkpoint: Callable[[int], None] = lambda step: None,
        stop_at: float = float("inf"),
    ) -> None:
        self.losses: list[Mapping[str, float]] = []
        self._at_checkpoint, self._stop_at = at_checkpoint, stop_at

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        varying = ("samples_per_second", "learning_rate")
        self.losses.append(
            {
                name: value
                for name, value in metrics.items()
                if name not in varying and not name.startswith("quality/")
            }
        )

    def on_checkpoint(self, checkpoint: Path, *, step: int) -> None:
        self._at_checkpoint(step)

    def should_stop(self) -> bool:
        return len(self.losses) >= self._stop_at


def launch(
    spec: PretrainSpec,
    out: Path,
    *,
    observer: Listener | None = None,
    resume: Path | None = None,
    num_ranks: int = 2,
    module: str = PRETRAIN,
) -> dict[str, Any]:
    """Run `spec` on ranks of this machine, with a thread each."""
    started = Launch(spec, out, resume, observer or Listener())
    out.mkdir(exist_ok=True)
    return launch_ranks(module, started, num_ranks=num_ranks, num_threads=1)


def ranks_of(launcher: psutil.Process | None = None) -> dict[int, psutil.Process]:
    """The living ranks that a process (this one, unless another is given) has started."""
    children = (launcher or psutil.Process()).children(recursive=True)
    return {
        int(child.environ()["RANK"]): child
        for child in children
        if child.status() != psutil.STATUS_ZOMBIE and PRETRAIN in child.cmdline()
    }
