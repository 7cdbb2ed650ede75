"""Small clips and sources that the corpus tests share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.pose.clip import Clip
from core.specs.import_jobs import SplitConfig

CorpusMaker = Callable[[Sequence[SourceClip]], PackedCorpus]


def random_clip(num_frames: int, seed: int) -> Clip:
    """A clip of random points; the same seed and length give the same clip."""
    generator = np.random.default_rng((num_frames, seed))
    return Clip.of(generator.random((num_frames, 49, 2)), generator.random((num_frames, 49)) < 0.7)


def three_signers() -> list[SourceClip]:
    """Three signers with four clips each, of two glosses; the last signer's are for test."""
    return [
        SourceClip(
            random_clip(2 + index, index),
            name=f"take {index}",
            label="tea" if index % 2 else "coffee",
            signer=f"signer {index // 4}",
            session=f"day {index // 2}",
            split="test" if index >= 8 else "train",
        )
        for index in range(12)
    ]


@pytest.fixture
def make_corpus(tmp_path: Path) -> CorpusMaker:
    """Writes clips as a corpus, split as they say themselves, and opens it."""

    def make(clips: Sequence[SourceClip]) -> PackedCorpus:
        return write_corpus(
            tmp_path / "corpus", clips, name="small", split=SplitConfig(), provenance={"from": "test"}
        )

    return make


@pytest.fixture
def corpus(make_corpus: CorpusMaker) -> PackedCorpus:
    """The twelve clips of `three_signers`."""
    return make_corpus(three_signers())
