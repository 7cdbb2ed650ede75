"""Plot loss curves of the same run with several engines and precisions.

    python benchmarks/scores/loss_curves.py docs/loss_curves.svg [--steps 200] [--recipe smoke]

All modes train on the same synthetic signers from the same seed: the same initial weights, batches, views and
dropout masks. Prints the mean loss of the last tenth of the steps of each mode.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from precision import MODES

from core.corpora.importing import import_corpus
from core.errors import Stopped
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain

COLOURS = {
    "eager fp32": "#323f4b",
    "eager bf16": "#d9822b",
    "native fp32": "#3d9970",
    "native bf16": "#2f6f8f",
}
WIDTH, HEIGHT, MARGIN = 720, 360, 48


class Losses(SilentObserver):
    """Records the loss of each step and stops after `steps` steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        self.losses.append(metrics["loss"])

    def should_stop(self) -> bool:
        return len(self.losses) >= self.steps


def main() -> None:
    """Train, print, draw."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="signforge-curves-") as folder:
        recordings = Path(folder) / "recordings.npz"
        config = SyntheticConfig(num_signs=20, num_signers=8, takes_per_sign=8, seed=0)
        save_npz(generate(config), recordings, dtype=np.float16)
        import_corpus(ImportSpec(name="clips", source=str(recordings)), Path(folder), SilentObserver())
        curves = {mode: _losses(Path(folder), mode, options) for mode in options.modes}
    for mode, losses in curves.items():
        print(f"{mode:12}  {statistics.mean(losses[-(len(losses) // 10) :]):.4f}")
    options.out.write_text(drawing(curves))


def _losses(folder: Path, mode: str, options: argparse.Namespace) -> list[float]:
    engine, precision = MODES[mode]
    run = {"engine": engine, "precision": precision, "log_every_steps": 1, "num_epochs": 10_000}
    if options.batch:
        run["batch_size"] = options.batch
    spec = PretrainSpec(corpus=str(folder / "corpus"), recipe=options.recipe, overrides={"run": run})
    observer = Losses(options.steps)
    with suppress(Stopped):
        pretrain(spec, folder / mode, observer=observer)
    return observer.losses


def drawing(curves: Mapping[str, Sequence[float]]) -> str:
    """Return an SVG with a line and a name for each curve."""
    highest, lowest = (pick(pick(losses) for losses in curves.values()) for pick in (max, min))
    steps = max(map(len, curves.values()))

    def at(step: int, loss: float) -> str:
        x = MARGIN + step / max(1, steps - 1) * (WIDTH - 2 * MARGIN)
        y = MARGIN + (highest - loss) / (highest - lowest) * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    lines = "".join(
        f'<polyline fill="none" stroke="{COLOURS[mode]}" stroke-width="1.2" '
        f'points="{" ".join(at(step, loss) for step, loss in enumerate(losses))}"/>'
        f'<text x="{WIDTH - 170}" y="{MARGIN + 16 * row}" fill="{COLOURS[mode]}">{mode}</text>'
        for row, (mode, losses) in enumerate(curves.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="8" y="{MARGIN}" fill="#323f4b">{highest:.1f}</text>'
        f'<text x="8" y="{HEIGHT - MARGIN}" fill="#323f4b">{lowest:.1f}</text>'
        f'<text x="{WIDTH // 2 - 60}" y="{HEIGHT - 12}" fill="#323f4b">loss over {steps} steps</text>'
        f"{lines}</svg>\n"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--recipe", default="smoke")
    parser.add_argument("--batch", type=int, help="clips per step, if not the recipe's")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
