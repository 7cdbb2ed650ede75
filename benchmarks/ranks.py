"""Benchmark data-parallel training: one rank and two ranks with gloo, same batch, on one machine.

    python benchmarks/ranks.py                  # recipe `stc`, batch 16
    python benchmarks/ranks.py --recipe smoke   # quickly

Each side is a short real run, and its result is the median step. Sides alternate. The two silent processes do
the work of two ranks at the same time, without communication. So the additional time of two ranks is
communication: gradients, batch statistics, keys, and waiting for the slower rank. The ranks share the cores
of one machine, so two ranks cannot be twice as fast as one rank with the same number of threads. The
benchmark shows the cost of communication.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import torch
from measuring import Side, Spread, interleaved, speedup, table
from short_run import Clock
from synthetic_corpus import synthetic_corpus

from core.errors import Stopped
from core.program.frame import Launch
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from core.training.rank_launcher import launch_ranks

STEPS, SKIP = 6, 2
"""Steps of a run, and first steps that are discarded."""
ALONE, BOTH, TALKING, OWN, SILENT = (
    "1 rank, 1 thread",
    "1 rank, 2 threads",
    "2 ranks, 1 thread each",
    "2 ranks, own batch statistics",
    "2 silent processes",
)


def main() -> None:
    """Measure and print."""
    options = arguments()
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # so that silent ranks can import their module
    with (
        tempfile.TemporaryDirectory(prefix="signforge-bench-") as folder,
        synthetic_corpus(Path(folder), 20 * options.batch) as corpus,
    ):
        seconds = interleaved(sides(corpus, options), rounds=options.rounds, warm_up=0)
    print(f"Recipe {options.recipe}, {options.batch} clips a step over all ranks.")
    print(rates(seconds))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", default="stc")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def sides(corpus: Path, options: argparse.Namespace) -> dict[str, Side]:
    def spec(**run: object) -> PretrainSpec:
        fixed = {"batch_size": options.batch, "log_every_steps": 1, "device": "cpu", **run}
        return PretrainSpec(corpus=str(corpus), recipe=options.recipe, overrides={"run": fixed})

    return {
        ALONE: lambda: one_rank(spec(), num_threads=1),
        BOTH: lambda: one_rank(spec(), num_threads=2),
        TALKING: lambda: two_ranks(spec(), "core.training.pretrain"),
        OWN: lambda: two_ranks(spec(synchronised_batch_statistics=False), "core.training.pretrain"),
        SILENT: lambda: two_ranks(spec(), "silent_rank"),
    }


def one_rank(spec: PretrainSpec, *, num_threads: int) -> float:
    torch.set_num_threads(num_threads)
    clock = Clock(STEPS)
    with tempfile.TemporaryDirectory(prefix="signforge-run-") as out, suppress(Stopped):
        pretrain(spec, Path(out), observer=clock)
    return median_step(clock)


def two_ranks(spec: PretrainSpec, module: str) -> float:
    clock = Clock(STEPS)
    with tempfile.TemporaryDirectory(prefix="signforge-run-") as out, suppress(Stopped):
        launch_ranks(module, Launch(spec, Path(out), None, clock), num_ranks=2, num_threads=1)
    return median_step(clock)


def median_step(clock: Clock) -> float:
    """Return the median step. Steps after the stop request are discarded."""
    return statistics.median(end - begin for begin, end in pairwise(clock.times[SKIP:STEPS]))


def rates(seconds: Mapping[str, list[float]]) -> str:
    rows = []
    for side, taken in seconds.items():
        talks = side in (TALKING, OWN)
        shares = [1 - silent / talking for silent, talking in zip(seconds[SILENT], taken, strict=True)]
        rows.append(
            [
                side,
                f"{1 / statistics.median(taken):.3g}",
                f"{speedup(seconds[ALONE], taken):.2f}",
                f"{Spread.of(shares):.0%}" if talks else "-",
            ]
        )
    return table(["", "steps/s", f"times {ALONE}", "share of talk"], rows)


if __name__ == "__main__":
    sys.exit(main())
