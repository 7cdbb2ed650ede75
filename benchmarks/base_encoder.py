"""Train the encoder `signforge-base` that every installation has, from recordings of real signers.

    python benchmarks/base_encoder.py RECORDINGS core/exchange/signforge-base.safetensors

It learns from all clips of `signs`, `words` and `letters`, without their labels, by the recipe `signforge`.
How well such an encoder serves on other people is measured by encoders that learned in the same way without a
corpus and without the person who is scored, the row "signforge, other corpora" of

    python benchmarks/accuracy.py RESULTS --data RECORDINGS --groups "several corpora" --steps 320
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from ablation.suite import MADE_UP, every_clip

from core.exchange.base_encoder import BASE_NAME
from core.exchange.weights import load_encoder, save_encoder
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain

_RUN = {"run": {"num_steps": 320, "device": "cpu", "precision": "fp32", "engine": "native"}}


def main() -> None:
    """Train and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recordings", type=Path, help="folder with signs/signs.npz and so on")
    parser.add_argument("out", type=Path, help="the file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="signforge-base-") as name:
        folder = Path(name)
        first, *more = every_clip(options.recordings, folder, without=MADE_UP)
        spec = PretrainSpec(
            name=BASE_NAME,
            corpus=first.corpus,
            clips=first.clips,
            also=tuple(more),
            recipe="signforge",
            overrides=_RUN,
        )
        print(pretrain(spec, folder), file=sys.stderr)
        _without_record(folder / "encoder", folder / "base")
        shutil.copyfile(folder / "base" / "encoder.safetensors", options.out)
    print(f"{options.out}: {options.out.stat().st_size} bytes")


def _without_record(trained: Path, folder: Path) -> None:
    """Leave out how the recordings were read: clips of anyone are to be read as their own files say."""
    encoder = load_encoder(trained)
    card = encoder.card
    assert card.corpus is not None
    corpora = [corpus.model_copy(update={"preprocessing": None}) for corpus in (card.corpus, *card.also)]
    plain = card.model_copy(update={"corpus": corpora[0], "also": tuple(corpora[1:])})
    save_encoder(folder, encoder.model, plain, pretrained_clips=encoder.pretrained_clips)


if __name__ == "__main__":
    main()
