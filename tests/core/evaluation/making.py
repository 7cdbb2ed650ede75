"""Corpora and encoders for tests of protocols, small enough to make in a moment."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.exchange.card import CorpusCard, EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import save_encoder
from core.pose.clip import Clip
from core.program.observer import SilentObserver
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import PretrainSpec
from core.specs.recipes import resolve
from core.training.randomness import seed_global_draws
from tests.core.small import OVERRIDES


class Listener(SilentObserver):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_log(self, message: str) -> None:
        self.said.append(message)


def signed_clips(
    glosses: Sequence[str],
    splits: Sequence[str],
    *,
    takes: int = 4,
    seed: int = 0,
    noise: float = 0.02,
    signer_of: Callable[[str], str] = lambda split: f"signer of {split}",
) -> list[SourceClip]:
    """`takes` clips of each gloss in each split. A gloss moves in a way of its own, whatever the seed."""
    random, made = np.random.default_rng(seed), []
    for split in splits:
        for gloss in glosses:
            way = np.random.default_rng(list(gloss.encode())).normal(size=(49, 2))
            for take in range(takes):
                frames = int(random.integers(8, 20))
                phase = np.linspace(0, np.pi, frames)[:, None, None]
                points = 0.5 + 0.2 * np.sin(phase) * way + noise * random.normal(size=(frames, 49, 2))
                clip = Clip.of(points, np.ones((frames, 49), dtype=np.bool_))
                name = f"{split}-{gloss}-{take}"
                made.append(SourceClip(clip, name, gloss, signer_of(split), f"session of {split}", split))
    return made


def packed(
    path: Path, clips: Sequence[SourceClip], *, name: str = "signs", allow_overlap: bool = False
) -> PackedCorpus:
    """A corpus of these clips, in their own splits."""
    config = SplitConfig(allow_overlap=allow_overlap)
    return write_corpus(path, clips, name=name, split=config, provenance={"format": "test"})


def relabelled(clips: Sequence[SourceClip], split: str) -> list[SourceClip]:
    """The same clips with the glosses of one split passed on by one."""
    labels = sorted({str(clip.label) for clip in clips})
    following = dict(zip(labels, [*labels[1:], labels[0]], strict=True))
    return [
        replace(clip, label=following[str(clip.label)]) if clip.split == split else clip for clip in clips
    ]


def fresh_encoder(folder: Path, overrides: dict[str, Any] | None = None) -> Path:
    """An encoder of the recipe `smoke` that has learned nothing, as a file; the smallest unless told."""
    spec = PretrainSpec(
        corpus="nowhere", recipe="smoke", overrides=OVERRIDES if overrides is None else overrides
    )
    seed_global_draws(0, "initialisation")
    model = ClipEncoder(resolve(spec)).eval()
    card = EncoderCard(
        name="fresh",
        spec=spec,
        config=resolve(spec),
        corpus=CorpusCard(name="nowhere", digest="", num_clips=0),
        step=0,
        embedding_width=model.embedding_width,
        signforge_version="0",
        torch_version="0",
    )
    save_encoder(folder, model, card, pretrained_clips=np.zeros(0, dtype=np.int64))
    return folder
