"""Benchmark the training time lost to a checkpoint: synchronous and background saving of the full-size state.

    python benchmarks/checkpoint.py                       # also measures a step of `stc`
    python benchmarks/checkpoint.py --step-seconds 0.25   # step time of another device

The state is that of the recipe `stc`: four encoders, queues and momentum, 1.25 GB. At most two copies of it
are below TMPDIR. Synchronous saving costs the whole time of `save_checkpoint`. Background saving costs the
copy of the state, and the cores used by the writing thread. To measure both, the same work (matrix products
on all cores, several times as long as a save) is timed alone and with a save started at its beginning, in
alternation. If the save takes longer than the work, the time until it ends is included. Prints medians, and
their fraction of 500 steps.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import interleaved, table, timed
from short_run import step_seconds
from synthetic_corpus import synthetic_corpus

from core.contrast.stc import SpatialTemporalConsistency
from core.specs.recipes import find_recipe
from core.training.background_saving import BackgroundSaver
from core.training.checkpoint import Checkpoint, save_checkpoint

INTERVAL, ROUNDS = 500, 5
"""Steps between checkpoints; rounds."""
WORK_SAVES = 5.0
"""Duration of the concurrent work, in synchronous saves."""


def main() -> None:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="signforge-checkpoint-") as name:
        folder = Path(name)
        step = options.step_seconds or measured_step(folder, options.batch)
        state = full_size_state()
        size = sum(t.nbytes for named in state.tensors.values() for t in named.values())
        require_room(folder, 3 * size)
        lost, copying = time_lost(folder, state, options.rounds)
    rows = [[how, f"{seconds:.2f}", f"{seconds / (INTERVAL * step):.2%}"] for how, seconds in lost.items()]
    print(f"A state of {size / 1e9:.2f} GB; {INTERVAL} steps of {step:.3g} s between checkpoints.")
    print(table(["saved", "seconds lost", f"of {INTERVAL} steps"], rows))
    print(f"(in the background: {copying:.2f} s of it copying)")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--step-seconds", type=float)
    parser.add_argument("--batch", type=int, default=32, help="clips of the step that is measured")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    return parser.parse_args()


def measured_step(folder: Path, batch: int) -> float:
    with synthetic_corpus(folder, 10 * batch) as corpus:
        return step_seconds(corpus, recipe="stc", batch_size=batch, steps=6, skip=2)


def full_size_state() -> Checkpoint:
    model = SpatialTemporalConsistency(find_recipe("stc").config)
    momentum = {name: torch.rand_like(each) for name, each in model.query.named_parameters()}
    return Checkpoint(step=1, tensors={"model": model.state_dict(), "optimiser": momentum}, facts={})


def require_room(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        sys.exit(
            f"TMPDIR ({folder}) has {free / 1e9:.1f} GB free, but {num_bytes / 1e9:.1f} GB are needed. Set "
            "TMPDIR to a larger disk."
        )


def time_lost(folder: Path, state: Checkpoint, rounds: int) -> tuple[dict[str, float], float]:
    """Return the median seconds lost to a save, by method, and the seconds of copying in the background."""
    at_once = timed(lambda: save_checkpoint(folder, state))
    work = products(seconds=WORK_SAVES * at_once())
    copying: list[float] = []
    with BackgroundSaver(folder) as saver:

        def beside_a_save() -> float:
            began = time.perf_counter()
            saver.save(state)
            copying.append(time.perf_counter() - began)
            work()
            saver.wait()
            return time.perf_counter() - began

        sides = {"at once": at_once, "alone": timed(work), "beside": beside_a_save}
        seconds = interleaved(sides, rounds=rounds)
    beside = [with_save - alone for with_save, alone in zip(seconds["beside"], seconds["alone"], strict=True)]
    lost = {
        "at once": statistics.median(seconds["at once"]),
        "in the background": statistics.median(beside),
    }
    return lost, statistics.median(copying[1:])


def products(*, seconds: float) -> Callable[[], None]:
    """Make work on all cores of about `seconds`: a fixed number of matrix products."""
    left = torch.randn(1024, 1024)
    began = time.perf_counter()
    for _ in range(20):
        left @ left
    count = max(1, int(20 * seconds / (time.perf_counter() - began)))

    def work() -> None:
        for _ in range(count):
            left @ left

    return work


if __name__ == "__main__":
    sys.exit(main())
