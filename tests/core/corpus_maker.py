"""A small packed corpus of random clips, for tests that need one on disk."""

from pathlib import Path

import numpy as np

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.pose.clip import Clip
from core.specs.import_jobs import SplitConfig


def random_corpus(
    path: Path, *, clips: int = 24, signers: int = 3, labels: int = 4, seed: int = 0, labelled: bool = True
) -> PackedCorpus:
    """Each label moves its own way, so that probes find something; the last signer is the test split."""
    random = np.random.default_rng(seed)
    ways = random.normal(size=(labels, 49, 2))
    made = []
    for number in range(clips):
        label, signer, frames = number % labels, number // labels % signers, int(random.integers(5, 20))
        phase = np.linspace(0, np.pi, frames)[:, None, None]
        points = 0.5 + 0.2 * np.sin(phase) * ways[label] + 0.02 * random.normal(size=(frames, 49, 2))
        made.append(
            SourceClip(
                clip=Clip.of(points, random.random((frames, 49)) < 0.8),
                name=f"clip-{number}",
                label=f"sign-{label}" if labelled else None,
                signer=f"signer-{signer}",
                session=f"session-{signer}",
                split="test" if signer == signers - 1 else "train",
            )
        )
    return write_corpus(path, made, name="random", split=SplitConfig(), provenance={"format": "test"})
