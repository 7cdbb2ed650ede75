"""Where the time of a training step goes, by part, of a run of a recipe on random clips.

    python benchmarks/step_parts.py [--recipe signforge] [--engine native] [--steps 30] [--threads 1]

Parts are timed as they run in `core.training.pretrain`, views and optimiser included. Medians over steps.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measuring import table
from synthetic_corpus import synthetic_corpus

from core.contrast.key_queue import KeyQueue
from core.contrast.momentum import MomentumUpdate
from core.contrast.stc import SpatialTemporalConsistency
from core.encoders.part_network import PartNetwork
from core.encoders.pooling import AttentionPooling, SegmentPooling
from core.encoders.projection import ProjectionHeads
from core.encoders.temporal_transformer import TemporalTransformer
from core.kernels.library import processor_name
from core.program.allocator import tuned_environment
from core.program.observer import SilentObserver
from core.specs.jobs import PretrainSpec
from core.training.optimisers import SGD
from core.training.pretrain import Pretraining
from core.training.step_views import StepViews

PARTS: dict[str, list[tuple[type, str]]] = {
    "views": [(StepViews, "__call__")],
    "momentum update": [(MomentumUpdate, "__call__")],
    "part networks, forward": [(PartNetwork, "forward")],
    "transformers, forward": [(TemporalTransformer, "forward")],
    "pooling and heads, forward": [
        (AttentionPooling, "forward"),
        (SegmentPooling, "forward"),
        (ProjectionHeads, "forward"),
    ],
    "losses": [(SpatialTemporalConsistency, "_losses")],
    "queues": [(KeyQueue, "enqueue"), (SpatialTemporalConsistency, "_past_keys")],
    "backward": [(torch.Tensor, "backward")],
    "optimiser": [(SGD, "step"), (SGD, "zero_grad")],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="signforge")
    parser.add_argument("--engine", default="native")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if tuned := tuned_environment():  # read by the C library at process start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **tuned})  # noqa: S606
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder, synthetic_corpus(Path(folder), 1024) as corpus:
        run = {"engine": options.engine, "checkpoint_every_steps": 10**6}
        spec = PretrainSpec(corpus=str(corpus), recipe=options.recipe, overrides={"run": run})
        step = Pretraining(spec, Path(folder) / "run", SilentObserver())
        seconds = _by_part(step, options.steps)
    whole = statistics.median(seconds["whole step"])
    rows = [
        [part, f"{statistics.median(taken) * 1e3:.1f}", f"{statistics.median(taken) / whole:.0%}"]
        for part, taken in seconds.items()
    ]
    print(f"{processor_name()}; {torch.backends.cpu.get_cpu_capability()}")
    print(
        f"{options.recipe}, {options.engine}, {options.threads} thread(s), {options.steps} steps, medians\n"
    )
    print(table(["", "ms", "of the step"], rows))


def _by_part(run: Pretraining, num_steps: int) -> dict[str, list[float]]:
    """Return the seconds of each part in each step, after three that warm up."""
    spent: dict[str, float] = defaultdict(float)
    for part, methods in PARTS.items():
        for owner, method in methods:
            _count(owner, method, part, spent)
    seconds: dict[str, list[float]] = {part: [] for part in (*PARTS, "the rest", "whole step")}
    for step in range(num_steps + 3):
        spent.clear()
        began = time.perf_counter()
        run._step()
        run.state.step += 1
        whole = time.perf_counter() - began
        if step < 3:
            continue
        for part in PARTS:
            seconds[part].append(spent[part])
        seconds["the rest"].append(whole - sum(spent.values()))
        seconds["whole step"].append(whole)
    return seconds


def _count(owner: type, method: str, part: str, spent: dict[str, float]) -> None:
    """Make a method add its seconds to a part."""
    plain: Callable[..., Any] = getattr(owner, method)

    def counted(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        result = plain(*arguments, **options)
        spent[part] += time.perf_counter() - began
        return result

    setattr(owner, method, counted)


if __name__ == "__main__":
    main()
