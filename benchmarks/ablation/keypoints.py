"""Baselines without learned features: raw keypoints with kNN and logistic regression.

The baselines are made as strong as possible. The hand swap of views teaches an encoder that left-handed
signing is the same sign. A mirrored copy of each labelled clip gives raw keypoints the same information. kNN
improves with standardised coordinates (by the gallery's mean and deviation); logistic regression always
standardises. Placed hands are about their own points and of one size, as the encoder may see them.
"""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ablation.suite import Fold
from ablation.trials import LABEL_COUNTS, LABEL_DRAWS, NUM_NEIGHBOURS, Scores
from jaxtyping import Int64

from core.augment.hand_swap import swap_joints
from core.corpora.packed import PackedCorpus
from core.corpora.ragged import RaggedBatch
from core.evaluation.features import keypoint_features
from core.evaluation.label_draw import labelled
from core.evaluation.probes import probe
from core.pose.skeleton import TRUNK
from core.specs.jobs import EvaluateSpec

_NAMES = {
    f"raw keypoints{hands}{copies}": {"placed": placed, "mirrored": mirrored}
    for placed, hands in ((False, ""), (True, ", placed hands"))
    for mirrored, copies in ((False, ""), (True, ", mirrored copies too"))
}
Clips = Int64[np.ndarray, " n"]
_STANDARDISED = ", standardised"
BASELINES = tuple(f"{name}{scale}" for name in _NAMES for scale in ("", _STANDARDISED))


def baselines(fold: Fold, *, seed: int) -> Iterator[tuple[str, Scores]]:
    """Yield each baseline's scores on the clips asked; labels are drawn as for a row's seed."""
    for name, made in _NAMES.items():
        keypoints = Keypoints(fold, **made)
        yield name, keypoints.neighbours(seed, standardised=False) | keypoints.regression(seed)
        yield f"{name}{_STANDARDISED}", keypoints.neighbours(seed, standardised=True)


@dataclass(frozen=True)
class Baselines:
    """All baselines on one fold and seed."""

    fold: Fold
    seed: int

    @property
    def keys(self) -> list[str]:
        """Keys of their results."""
        return [self._key(name) for name in BASELINES]

    def run(self) -> list[dict[str, Any]]:
        """Score them on one thread, so that several can run in parallel."""
        torch.set_num_threads(1)
        place = {**self.fold.facts, "seed": self.seed}
        return [
            {"key": self._key(name), "row": name, "group": "baselines", **place, **scores}
            for name, scores in baselines(self.fold, seed=self.seed)
        ]

    def _key(self, name: str) -> str:
        return f"{name} {self.fold.corpus} {self.fold.name} {self.seed}, shared glosses"


class Mirrored(PackedCorpus):
    """A mirrored corpus: hands are swapped, the trunk is reflected and its arms are swapped."""

    def gather(self, *chosen: object, **options: object) -> RaggedBatch:
        """Copy several clips and mirror them."""
        batch = super().gather(*chosen, **options)  # type: ignore[arg-type]
        points = swap_joints(torch.from_numpy(batch.points), mirror_trunk=True)
        points[:, TRUNK, 0] = 1 - points[:, TRUNK, 0]
        return RaggedBatch(points.numpy(), batch.visible, batch.lengths)


def clips_of_shared_glosses(corpus: PackedCorpus, fold: Fold) -> tuple[Clips, Clips]:
    """Return the clips known and asked, without the glosses that are not on both sides.

    An evaluation on other clips (`test_corpus`) leaves these out, so encoders choose among fewer glosses;
    baselines must not have the harder task.
    """
    known, asked = corpus.select(fold.known), corpus.select(fold.asked)
    shared = np.intersect1d(corpus.labels[known], corpus.labels[asked])
    return known[np.isin(corpus.labels[known], shared)], asked[np.isin(corpus.labels[asked], shared)]


class Keypoints:
    """Keypoints of the clips known, optionally with mirrored copies, and of the clips asked."""

    def __init__(self, fold: Fold, *, mirrored: bool, placed: bool) -> None:
        corpus = PackedCorpus.open(fold.path)
        known, asked = clips_of_shared_glosses(corpus, fold)
        galleries = [corpus, Mirrored.open(corpus.path)] if mirrored else [corpus]
        pieces = [(each, known) for each in galleries] + [(corpus, asked)]
        self._features = torch.cat([keypoint_features(*piece, placed=placed) for piece in pieces])
        self._labels = corpus.labels[np.concatenate([clips for _, clips in pieces])].astype(np.int64)
        self._known = np.arange(len(known))
        self._starts = [place * len(known) for place in range(len(galleries))]
        self._test = np.arange(len(galleries) * len(known), len(self._labels))
        self._num_classes = len(corpus.label_names)

    def neighbours(self, seed: int, *, standardised: bool) -> Scores:
        """Score kNN with all labels, 5 and 1; with one label per gloss, only the nearest clip is used."""
        fields = {"protocol": "knn", "num_neighbours": NUM_NEIGHBOURS}
        scores = {"knn": self._top1(fields, draw=0, standardised=standardised)}
        for name, count in LABEL_COUNTS.items():
            if count is not None:
                few = {**fields, "labels_per_gloss": count, "num_neighbours": count}
                scores[f"knn_{name}"] = self._mean(few, seed, standardised=standardised)
        return scores

    def regression(self, seed: int) -> Scores:
        """Score logistic regression; `paired`: on the same labels that fine-tuning with this seed draws."""
        scores = {"linear_all": self._top1({"protocol": "linear"}, draw=0)}
        for name, count in LABEL_COUNTS.items():
            if count is not None:
                few = {"protocol": "linear", "labels_per_gloss": count}
                scores[f"linear_{name}"] = self._mean(few, seed)
                scores[f"paired_{name}"] = self._top1(few, draw=seed)
        return scores

    def _mean(self, fields: Mapping[str, Any], seed: int, **options: bool) -> float:
        """Return the mean over the draws of labels that a row of this seed uses."""
        draws = range(seed * LABEL_DRAWS, (seed + 1) * LABEL_DRAWS)
        return statistics.fmean(self._top1(fields, draw=draw, **options) for draw in draws)

    def _top1(self, fields: Mapping[str, Any], *, draw: int, standardised: bool = False) -> float:
        spec = EvaluateSpec(corpus="any", features="keypoints", **fields)
        train = self._train(labelled(self._known, self._labels, spec, seed=draw))
        features = self._scaled(train) if standardised else self._features
        found = probe(
            spec, features, self._labels, train=train, test=self._test, num_classes=self._num_classes,
            heartbeat=lambda: None,
        )  # fmt: skip
        return float(found.per_clip["top1"].mean())

    def _train(self, drawn: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
        """Return the indices of the drawn clips and of their mirrored copies."""
        return np.concatenate([start + drawn for start in self._starts])

    def _scaled(self, train: Int64[np.ndarray, " m"]) -> torch.Tensor:
        seen = self._features[train]
        return (self._features - seen.mean(dim=0)) / seen.std(dim=0, correction=0).clamp(min=1e-3)
