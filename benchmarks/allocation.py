"""Benchmark glibc allocator settings: native step of `stc` with and without kept memory and huge pages.

    python benchmarks/allocation.py [--batch 16] [--rounds 3]

Two processes alternate with the same step. One has glibc's default settings. The other has the settings of
signforge's training processes (`core/program/allocator.py`).
"""

import argparse
import os
from contextlib import ExitStack

import step
from measuring import comparison, interleaved
from sides import MIB, SideProcess

from core.program.allocator import tuned_environment

BASELINE = "glibc's own"


def main() -> None:
    """Measure and print."""
    options = _options()
    environments = {BASELINE: {"GLIBC_TUNABLES": ""}, "kept, huge pages": tuned_environment()}
    arguments = ["--batches", str(options.batch)]
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(
                SideProcess(step.__file__, "native", arguments=arguments, environment=environment)
            )
            for name, environment in environments.items()
        }
        seconds = interleaved(sides, rounds=options.rounds)
        peaks = {name: f"{side.peak_bytes / MIB:.0f}" for name, side in sides.items()}
    print(
        f"native step, batch {options.batch}, {len(os.sched_getaffinity(0))} threads, {options.rounds} rounds"
    )
    print(
        comparison(seconds, baseline=BASELINE, amount=options.batch, unit="clips", more={"peak MiB": peaks})
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
