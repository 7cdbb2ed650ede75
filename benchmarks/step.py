"""Benchmark a training step of the full-size recipe, compared with a literal implementation of the method.

    python benchmarks/step.py [--batches 16 32] [--rounds 3] [--sides eager compiled native ...]
    python benchmarks/step.py --recipe signforge --batches 32 --sides "eager fp32" "native fp32"

Each side is a separate process. All have the same allocator settings, number of threads and views. They
alternate. The literal one is first in each round; other recipes than `stc` have none, and the limit is
measured in each round instead. `--threads 1` should be pinned to one core (`taskset -c 0`).

The table of a batch size of `stc` has:

* clips a second, and the speed-up over the literal side;
* the fraction of this run's bf16 (or fp32) matrix product limit, at the method's 103.8 GFLOP per clip;
* the peak resident memory.

That of another recipe has the fraction of the limit in the same round, at the operations that PyTorch counts
in an eager step.
"""

import argparse
import math
import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from limits import Limits, measured_limits
from literal.stc import LiteralSTC, literal_optimiser, literal_step
from measuring import Side, Spread, comparison, interleaved, table, timed
from sides import MIB, SideProcess, serve
from torch.utils.flop_counter import FlopCounterMode

from core.augment.views import View
from core.kernels.library import processor_name
from core.program.allocator import tuned_environment
from core.specs.pretraining import PretrainConfig
from core.specs.recipes import RECIPES, find_recipe
from core.training.devices import be_deterministic
from core.training.engine import Engine
from core.training.process_group import SingleRank
from core.training.run_state import RunState

GFLOP_PER_CLIP = 103.8
"""Operations of two query and two key passes of both streams, and the query's backward pass."""
SETTINGS = {
    "eager fp32": ("eager", "fp32"),
    "eager": ("eager", "bf16"),
    "compiled": ("compiled", "bf16"),
    "native fp32": ("native", "fp32"),
    "native": ("native", "bf16"),
}
BASELINE = "literal"
_PRODUCT = (2048, 2048, 2048)
"""(rows, columns, depth) of the products that other recipes than `stc` are compared with."""


def main() -> None:
    """Measure and print, or run as a side."""
    options = _options()
    torch.set_num_threads(options.threads)
    if options.side:
        serve(lambda: _prepared(options.side, options.batches[0], options.recipe))
        return
    print(f"{processor_name()}; {torch.backends.cpu.get_cpu_capability()}")
    if options.recipe != "stc":
        for batch in options.batches:
            _compare_with_limit(batch, options)
        return
    limits = measured_limits()
    print(f"limits: fp32 {limits.fp32_flops / 1e9:.0f}, bf16 {limits.bf16_flops / 1e9:.0f} GFLOP/s; ", end="")
    print(f"{options.threads} threads, GLIBC_TUNABLES={tuned_environment().get('GLIBC_TUNABLES', '-')}")
    for batch in options.batches:
        _compare(batch, options, limits)


def _compare(batch: int, options: argparse.Namespace, limits: Limits) -> None:
    """Compare each side with the literal one, with at most two of them in memory at the same time."""
    for name in options.sides:
        arguments = ["--batches", str(batch), "--threads", str(options.threads)]
        environment = tuned_environment()
        with (
            SideProcess(__file__, BASELINE, arguments=arguments, environment=environment) as literal,
            SideProcess(__file__, name, arguments=arguments, environment=environment) as ours,
        ):
            first = ours()
            seconds = interleaved({BASELINE: literal, name: ours}, rounds=options.rounds)
            more = {
                "of the limit": {
                    side: f"{_fraction(side, batch, taken, limits):.0%}" for side, taken in seconds.items()
                },
                "peak MiB": {side.name: f"{side.peak_bytes / MIB:.0f}" for side in (literal, ours)},
                "first step": {name: f"{first:.0f} s"},
            }
        print(f"\nbatch {batch}, {options.rounds} rounds")
        print(comparison(seconds, baseline=BASELINE, amount=batch, unit="clips", more=more), flush=True)


def _compare_with_limit(batch: int, options: argparse.Namespace) -> None:
    """Compare sides with matrix products that are measured in the same rounds."""
    step = _our_step(find_recipe(options.recipe).config, "eager", "fp32", batch=batch)
    step()
    with FlopCounterMode(display=False) as counter:
        step()
    operations = counter.get_total_flops()
    arguments = ["--batches", str(batch), "--threads", str(options.threads), "--recipe", options.recipe]
    with ExitStack() as stack:
        sides: dict[str, Side] = {"products": _products()}
        for name in options.sides:
            side = SideProcess(__file__, name, arguments=arguments, environment=tuned_environment())
            sides[name] = stack.enter_context(side)
        seconds = interleaved(sides, rounds=options.rounds, warm_up=2)
    limits = [2e-9 * math.prod(_PRODUCT) / taken for taken in seconds.pop("products")]
    print(
        f"\n{options.recipe}, batch {batch}, {options.threads} thread(s), {options.rounds} rounds: "
        f"{operations / 1e9:.2f} GFLOP a step; fp32 products {Spread.of(limits):.0f} GFLOP/s"
    )
    rows = [[name, *_times(taken), _share(operations, taken, limits)] for name, taken in seconds.items()]
    print(table(["", "median ms", "least ms", "of the limit in the same round"], rows), flush=True)


def _times(seconds: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.median(seconds) * 1e3:.0f}", f"{min(seconds) * 1e3:.0f}"


def _share(operations: float, seconds: Sequence[float], limits: Sequence[float]) -> str:
    """Return the share of each round's own limit, because other work on the machine slows both."""
    shares = [operations * 1e-9 / taken / limit for taken, limit in zip(seconds, limits, strict=True)]
    return f"{Spread.of(shares):.0%}"


def _products() -> Side:
    """Make a side that multiplies large matrices in fp32."""
    rows, columns, depth = _PRODUCT
    left, right = torch.randn(rows, depth), torch.randn(depth, columns)
    out = torch.empty(rows, columns)
    return timed(lambda: torch.mm(left, right, out=out))


def _fraction(side: str, batch: int, seconds: Sequence[float], limits: Limits) -> float:
    """Return the fraction of the matrix product limit in the side's precision."""
    precision = SETTINGS[side][1] if side in SETTINGS else "fp32"
    limit = limits.bf16_flops if precision == "bf16" else limits.fp32_flops
    return batch * GFLOP_PER_CLIP * 1e9 / statistics.median(seconds) / limit


def _prepared(side: str, batch: int, recipe: str) -> Callable[[], object]:
    """Return a function that takes one step."""
    config = find_recipe(recipe).config
    if side == BASELINE:
        torch.manual_seed(0)
        views = _views(batch, config)
        model = LiteralSTC(config)
        optimiser = literal_optimiser(model, config.optimiser)
        return lambda: literal_step(model, optimiser, views)
    return _our_step(config, *SETTINGS[side], batch=batch)


def _our_step(
    config: PretrainConfig, engine_name: str, precision: str, *, batch: int
) -> Callable[[], object]:
    torch.manual_seed(0)
    views = _views(batch, config)
    run = config.run.model_copy(update={"engine": engine_name, "precision": precision})
    config = config.model_copy(update={"run": run})
    be_deterministic(run.deterministic)
    engine = Engine.of(config, torch.device("cpu"), total_steps=10**6)
    state = RunState(config, {}, engine, SingleRank())
    engine.prepare(state.model.query)
    engine.prepare(state.model.key)

    def step() -> float:
        losses = state.model(*views, engine.context(0, step=state.step))
        total = torch.stack(list(losses.values())).sum()
        state.optimiser.zero_grad(set_to_none=True)
        total.backward()
        state.optimiser.step()
        state.step += 1
        return float(total.detach())

    return step


def _views(batch: int, config: PretrainConfig) -> tuple[View, View]:
    num_frames = config.views.num_frames

    def view() -> View:
        return View(torch.rand(batch, num_frames, 49, 2), torch.rand(batch, num_frames, 2) < 0.8)

    return view(), view()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", choices=RECIPES, default="stc")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="+", choices=SETTINGS, default=["eager", "compiled", "native"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--side", help="used by the benchmark itself")
    return parser.parse_args()


if __name__ == "__main__":
    main()
