"""One training step of a recipe, as two checkouts of this repository compute it.

    python benchmarks/checkouts.py OTHER [--recipe stc] [--batch 4] [--rounds 9] [--sides eager native ...]

OTHER is the folder of the other checkout, such as `git worktree add ../before COMMIT` makes it. Each side is
a process that runs its own checkout's `benchmarks/step.py`. The two take turns in one run, so that both see
the same load. The table tells clips a second and how many times the other checkout's that is. `--cpu` counts
processor seconds, for a machine that has other work to do.
"""

import argparse
import os
from pathlib import Path

from measuring import Side, comparison, interleaved, median_interval
from sides import MIB, SideProcess
from step import SETTINGS

from core.program.allocator import tuned_environment
from core.specs.recipes import RECIPES

OTHER, THIS = "other", "this"


def main() -> None:
    """Measure and print."""
    options = _options()
    folders = {OTHER: options.other.resolve(), THIS: Path(__file__).resolve().parents[1]}
    for name in options.sides:
        _compare(name, folders, options)


def _compare(name: str, folders: dict[str, Path], options: argparse.Namespace) -> None:
    arguments = ["--batches", str(options.batch), "--threads", str(options.threads)]
    if options.recipe != "stc":  # older checkouts do not have the option
        arguments += ["--recipe", options.recipe]
    with _side(folders[OTHER], name, arguments) as other, _side(folders[THIS], name, arguments) as this:
        sides: dict[str, Side] = {OTHER: other, THIS: this}
        if options.cpu:
            sides = {OTHER: _processor_time(other), THIS: _processor_time(this)}
        seconds = interleaved(sides, rounds=options.rounds, warm_up=2)
        more = {"peak MiB": {OTHER: f"{other.peak_bytes / MIB:.0f}", THIS: f"{this.peak_bytes / MIB:.0f}"}}
    clock = "processor time" if options.cpu else "time"
    what = f"{options.recipe}, {name}, batch {options.batch}, {options.threads} threads"
    print(f"\n{what}, {options.rounds} rounds, {clock}")
    print(comparison(seconds, baseline=OTHER, amount=options.batch, unit="clips", more=more))
    ratios = [slow / fast for slow, fast in zip(seconds[OTHER], seconds[THIS], strict=True)]
    print("the median ratio is between {:.3f} and {:.3f}".format(*median_interval(ratios)), flush=True)


def _side(folder: Path, name: str, arguments: list[str]) -> SideProcess:
    program = str(folder / "benchmarks" / "step.py")
    environment = {**tuned_environment(), "PYTHONPATH": str(folder)}
    return SideProcess(program, name, arguments=arguments, environment=environment)


def _processor_time(process: SideProcess) -> Side:
    """The side, measured in seconds of all processors that it used."""

    def side() -> float:
        before = process.cpu_seconds()
        process()
        return process.cpu_seconds() - before

    return side


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--recipe", choices=RECIPES, default="stc")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cpu", action="store_true", help="count processor seconds")
    parser.add_argument("--sides", nargs="+", choices=SETTINGS, default=["eager", "native"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
