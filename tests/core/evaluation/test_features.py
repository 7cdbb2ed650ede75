"""Baselines of keypoints: placed hands do not tell where in its crop a hand is, the others do."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.evaluation.evaluate import evaluate
from core.evaluation.features import keypoint_features
from core.pose.clip import Clip
from core.specs.jobs import EvaluateSpec
from tests.core.evaluation.making import packed


def moved_clips(seed: int = 0) -> list[SourceClip]:
    """Three hand shapes without a body; each clip of each has another place and size in its crop."""
    random, made = np.random.default_rng(seed), []
    shapes = {gloss: random.normal(size=(42, 2)) for gloss in "abc"}
    for split in ("train", "test"):
        for gloss, shape in shapes.items():
            for take in range(4):
                hands = random.uniform(0.02, 0.1) * shape + random.uniform(0.3, 0.7, 2)
                points = np.concatenate([hands, np.zeros((7, 2))])[None].repeat(12, axis=0)
                points += 1e-4 * random.normal(size=points.shape) * (points != 0)
                clip = Clip.of(points)
                made.append(SourceClip(clip, f"{split}-{gloss}-{take}", gloss, split, None, split))
    return made


@pytest.fixture
def corpus(tmp_path: Path) -> PackedCorpus:
    return packed(tmp_path / "moved", moved_clips())


def test_placed_hands_of_one_shape_are_equal(corpus: PackedCorpus) -> None:
    clips = np.arange(4)  # the first shape
    assert len({corpus.labels[clip] for clip in clips}) == 1
    placed = keypoint_features(corpus, clips, placed=True)
    torch.testing.assert_close(placed, placed[:1].expand_as(placed), rtol=0, atol=0.02)
    in_crop = keypoint_features(corpus, clips)
    assert (in_crop - in_crop[:1]).abs().max() > 0.1


def test_placed_keypoints_are_a_baseline_of_evaluations(corpus: PackedCorpus) -> None:
    fields = {"corpus": str(corpus.path), "protocol": "knn", "num_neighbours": 1}
    scores = {
        features: evaluate(EvaluateSpec(features=features, **fields))["top1"]
        for features in ("keypoints", "placed_keypoints")
    }
    assert scores["placed_keypoints"] == 1 > scores["keypoints"]


def test_fine_tuning_of_placed_keypoints_is_refused() -> None:
    with pytest.raises(ValueError, match="but features is 'placed_keypoints'"):
        EvaluateSpec(corpus="any", features="placed_keypoints", protocol="fine_tune")
