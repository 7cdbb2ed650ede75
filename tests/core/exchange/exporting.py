"""A small encoder, and its export as the command line does it."""

import subprocess
import sys
from pathlib import Path

from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES, REPAIRED, SMALL

ONE_STREAM = SMALL.model_copy(update={"encoder": SMALL.encoder.model_copy(update={"streams": ("joint",)})})


def small_encoder(folder: Path, *, streams: tuple[str, ...] = ("joint", "motion")) -> Path:
    """Trained for an epoch, with every repair; of few operations, for tracing takes long."""
    corpus = random_corpus(folder / "corpus")
    encoder = {**REPAIRED.encoder.model_dump(), "graph_block_widths": (4,), "streams": streams}
    contrast = {**OVERRIDES["contrast"], **({} if len(streams) > 1 else {"transfer_weight": 0})}
    run = {**OVERRIDES["run"], "num_epochs": 1}
    overrides = {**OVERRIDES, "encoder": encoder, "contrast": contrast, "run": run}
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=overrides), folder)
    return folder / "encoder"


def exported_as(encoder: Path, name: str) -> tuple[Path, str]:
    """The file and what was printed; in another process, for tracing does not go with run-time checks of
    shapes."""
    out = encoder / name
    command = [sys.executable, "-W", "error", "-m", "signforge.cli", "export", str(encoder)]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (0, 2), done.stderr  # progress
    assert "largest difference from PyTorch" in done.stdout
    return out, done.stdout
