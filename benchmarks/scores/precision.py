"""Compare accuracy of precisions and engines: `smoke` pretraining in fp32, in bf16 and with native kernels.

    python benchmarks/scores/precision.py                          # synthetic signers
    python benchmarks/scores/precision.py --source signs.npz       # recordings, each signer held out

All modes pretrain from the same seeds. An encoder is scored by kNN on clips of held-out signers, with labels
of the other signers. Recordings are pretrained on without labels, with all signers. Prints each mode's mean
accuracy and its difference to fp32 from the same seed, both with 95 % confidence intervals (Student's t over
seeds).
"""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.corpora.importing import import_corpus
from core.evaluation.evaluate import evaluate
from core.pose.synthetic.recording import SyntheticConfig, generate, names_of, save_npz
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec, SplitConfig
from core.specs.jobs import ClipSelection, EvaluateSpec, PretrainSpec
from core.training.pretrain import pretrain

MODES = {
    "eager fp32": ("eager", "fp32"),
    "eager bf16": ("eager", "bf16"),
    "native fp32": ("native", "fp32"),
    "native bf16": ("native", "bf16"),
}
BASELINE = "eager fp32"
T_975 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""97.5 % quantiles of Student's t, by degrees of freedom."""


def main() -> None:
    """Pretrain, score and print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="signforge-precision-") as folder:
        corpus, evaluation = _corpus(Path(folder), options.source)
        scores: dict[str, list[float]] = {mode: [] for mode in options.modes}
        for seed in range(options.seeds):
            for mode in options.modes:
                out = Path(folder) / f"{mode} {seed}"
                scores[mode].append(_score(corpus, evaluation, mode, seed, out))
                print(f"seed {seed}  {mode:12}  {scores[mode][-1]:.4f}", file=sys.stderr, flush=True)
    print(f"kNN top-1, {options.seeds} seeds, {options.source or 'synthetic signers'}")
    for mode, reached in scores.items():
        apart = [ours - exact for ours, exact in zip(reached, scores[BASELINE], strict=True)]
        print(f"{mode:12}  {_interval(reached)}   minus {BASELINE}: {_interval(apart)}")


def _corpus(folder: Path, source: Path | None) -> tuple[Path, dict[str, object]]:
    """Make a packed corpus; return its path and the options of its evaluation."""
    split, size = SplitConfig(), {"image_width": 640, "image_height": 480}
    evaluation: dict[str, object] = {"folds": "each_signer", "clips": ClipSelection(exclude_labels=("-",))}
    if source is None:
        config = SyntheticConfig(num_signs=20, num_signers=8, takes_per_sign=8, seed=0)
        source = folder / "recordings.npz"
        save_npz(generate(config), source, dtype=np.float16)
        split, size = SplitConfig(by="signer", test=tuple(names_of(config).signers[-2:])), {}
        evaluation = {"folds": "split"}
    spec = ImportSpec(name="clips", source=str(source), split=split, **size)
    import_corpus(spec, folder, SilentObserver())
    return folder / "corpus", evaluation


def _score(corpus: Path, evaluation: dict[str, object], mode: str, seed: int, out: Path) -> float:
    engine, precision = MODES[mode]
    run = {"seed": seed, "engine": engine, "precision": precision, "keep_checkpoints": 1}
    spec = PretrainSpec(corpus=str(corpus), recipe="smoke", overrides={"run": run})
    pretrain(spec, out)
    asked = EvaluateSpec.model_validate(
        {"corpus": str(corpus), "encoder": str(out / "encoder"), "protocol": "knn", **evaluation}
    )
    return float(evaluate(asked)["top1"])


def _interval(numbers: Sequence[float]) -> str:
    """Format the mean and half of the 95 % confidence interval."""
    half = T_975[len(numbers) - 1] * statistics.stdev(numbers) / math.sqrt(len(numbers))
    return f"{statistics.mean(numbers):+.3f} +- {half:.3f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--source", type=Path, help="recordings that can be imported; default: synthetic ones"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
