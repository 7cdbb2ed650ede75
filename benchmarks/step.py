"""Benchmark a training step of the full-size recipe, compared with a literal implementation of the method.

    python benchmarks/step.py [--batches 16 32] [--rounds 3] [--sides eager compiled native ...]

Each side is a separate process. All have the same allocator settings, number of threads and views. They
alternate, and the literal one is first in each round. The table of a batch size has:

* clips a second, and the speed-up over the literal side;
* the fraction of this run's bf16 (or fp32) matrix product limit, at the method's 103.8 GFLOP per clip;
* the peak resident memory.
"""

import argparse
import os
import statistics
from collections.abc import Callable, Sequence

import torch
from limits import Limits, measured_limits
from literal.stc import LiteralSTC, literal_optimiser, literal_step
from measuring import comparison, interleaved
from sides import MIB, SideProcess, serve

from core.augment.views import View
from core.program.allocator import tuned_environment
from core.specs.pretraining import PretrainConfig
from core.specs.recipes import find_recipe
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


def main() -> None:
    """Measure and print, or run as a side."""
    options = _options()
    torch.set_num_threads(options.threads)
    if options.side:
        serve(lambda: _prepared(options.side, options.batches[0]))
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


def _fraction(side: str, batch: int, seconds: Sequence[float], limits: Limits) -> float:
    """Return the fraction of the matrix product limit in the side's precision."""
    precision = SETTINGS[side][1] if side in SETTINGS else "fp32"
    limit = limits.bf16_flops if precision == "bf16" else limits.fp32_flops
    return batch * GFLOP_PER_CLIP * 1e9 / statistics.median(seconds) / limit


def _prepared(side: str, batch: int) -> Callable[[], object]:
    """Return a function that takes one step."""
    torch.manual_seed(0)
    views = _views(batch)
    config = find_recipe("stc").config
    if side == BASELINE:
        model = LiteralSTC(config)
        optimiser = literal_optimiser(model, config.optimiser)
        return lambda: literal_step(model, optimiser, views)
    return _our_step(config, *SETTINGS[side], views=views)


def _our_step(
    config: PretrainConfig, engine_name: str, precision: str, *, views: tuple[View, View]
) -> Callable[[], object]:
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


def _views(batch: int) -> tuple[View, View]:
    def view() -> View:
        return View(torch.rand(batch, 64, 49, 2), torch.rand(batch, 64, 2) < 0.8)

    return view(), view()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="+", choices=SETTINGS, default=["eager", "compiled", "native"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--side", help="used by the benchmark itself")
    return parser.parse_args()


if __name__ == "__main__":
    main()
