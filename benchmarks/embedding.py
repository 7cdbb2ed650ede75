"""Benchmark embedding with one full-size encoder, compared with a literal implementation of the method.

    python benchmarks/embedding.py [--batch 64] [--rounds 5] [--sides 'native bf16' ...]

All sides embed the same views with the joint stream's encoder in evaluation mode, in alternation. Each side
is a separate process with the same allocator settings and number of threads. `onnx` is the exported file in
ONNX Runtime, to be compared with `eager`. It has both streams, so its rate is counted twice.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from limits import measured_limits
from literal.stc import LiteralSTC, literal_features
from measuring import comparison, interleaved
from sides import MIB, SideProcess, serve

from core.augment.views import View
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.onnx import OnnxEncoder, write_graph
from core.pose.streams import STREAMS
from core.program.allocator import tuned_environment
from core.specs.recipes import find_recipe
from core.training.engine import Engine

GFLOP_PER_CLIP = 13.05
"""Operations of one stream's forward pass, as stated by the method."""
BASELINE = "literal"
SETTINGS = {
    "eager fp32": ("eager", "fp32"),
    "eager bf16": ("eager", "bf16"),
    "compiled bf16": ("compiled", "bf16"),
    "native fp32": ("native", "fp32"),
    "native bf16": ("native", "bf16"),
}
UNFOLDED, ONNX = "eager, not folded", "onnx"


def main() -> None:
    """Measure and print, or run as a side."""
    options = _options()
    torch.set_num_threads(options.threads)
    if options.side:
        serve(lambda: _prepared(options.side, options.batch, options.threads))
        return
    limits = measured_limits()
    for name in options.sides:
        arguments = ["--batch", str(options.batch), "--threads", str(options.threads)]
        environment = tuned_environment()
        with (
            SideProcess(__file__, BASELINE, arguments=arguments, environment=environment) as literal,
            SideProcess(__file__, name, arguments=arguments, environment=environment) as ours,
        ):
            seconds = interleaved({BASELINE: literal, name: ours}, rounds=options.rounds, warm_up=1)
            peaks = {side.name: f"{side.peak_bytes / MIB:.0f}" for side in (literal, ours)}
        limit = limits.bf16_flops if "bf16" in name else limits.fp32_flops
        reached = options.batch * GFLOP_PER_CLIP * 1e9 / statistics.median(seconds[name]) / limit
        more = {"of the limit": {name: f"{reached:.0%}"}, "peak MiB": peaks}
        print(comparison(seconds, baseline=BASELINE, amount=options.batch, unit="clips", more=more))
        print(flush=True)


def _prepared(side: str, batch: int, threads: int) -> Callable[[], object]:
    torch.manual_seed(0)
    view = View(torch.rand(batch, 64, 49, 2), torch.rand(batch, 64, 2) < 0.8)
    config = find_recipe("stc").config
    if side == BASELINE:
        literal = LiteralSTC(config)
        return lambda: literal_features(literal, "joint", view.points, view.hand_visible)
    encoder = ClipEncoder(config).eval()
    if side == ONNX:
        return _onnx(encoder, view, threads)
    stream = encoder.streams["joint"]
    context = encoder.context
    if side != UNFOLDED:
        name, precision = SETTINGS[side]
        engine = Engine.chosen(name, precision, config.encoder, torch.device("cpu"), num_passes=10**6)  # type: ignore[arg-type]
        context = engine.for_inference()
        ready = encoder.for_inference(context)
        engine.prepare(ready.streams)
        stream = ready.streams["joint"]

    @torch.inference_mode()
    def embed() -> object:
        return stream(view.points, view.hand_visible, context)

    return embed


def _onnx(encoder: ClipEncoder, view: View, threads: int) -> Callable[[], object]:
    """Embed half of the views with both streams: as many passes as one stream for all views."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.onnx"
        write_graph(encoder, path)
        exported = OnnxEncoder(path, num_threads=threads)
    half = len(view.points) // len(STREAMS)
    return lambda: exported.embed_view(View(view.points[:half], view.hand_visible[:half]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    quick = [name for name in SETTINGS if "compiled" not in name]  # compiling takes minutes
    parser.add_argument(
        "--sides", nargs="+", choices=[UNFOLDED, ONNX, *SETTINGS], default=[UNFOLDED, ONNX, *quick]
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--side", help="used by the benchmark itself")
    return parser.parse_args()


if __name__ == "__main__":
    main()
