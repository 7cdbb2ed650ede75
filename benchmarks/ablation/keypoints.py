"""Baselines that learn nothing: raw keypoints, and raw keypoints with a mirrored copy of every labelled clip.

Much of what a view's hand swap teaches is that left-handed signing is the same sign. The copies give raw
keypoints that knowledge for nothing, so they are the baseline to be honest against.
"""

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from ablation.trials import LABEL_COUNTS, LABEL_DRAWS, NUM_NEIGHBOURS, Scores, frozen_scores

from core.augment.exchange import exchanged_joints
from core.corpora.packed import PackedCorpus, RaggedBatch
from core.evaluation.features import keypoint_features
from core.evaluation.label_draw import labelled
from core.evaluation.probes import probe
from core.pose.skeleton import TRUNK
from core.specs import ClipSelection, EvaluateSpec

BASELINES = ("raw keypoints", "raw keypoints, mirrored copies too")


def baselines(corpus: str, signer: str, excluded: tuple[str, ...]) -> dict[str, Scores]:
    """Scores on the signer left out, by baseline."""
    raw = frozen_scores(corpus, signer, excluded, seed=0, features="keypoints")
    mirrored = _Doubled(PackedCorpus.open(corpus), signer, excluded).scores()
    return dict(zip(BASELINES, (raw, mirrored), strict=True))


class Mirrored(PackedCorpus):
    """A corpus seen in a mirror: hands change places, the trunk is reflected and its arms change places."""

    def gather(self, *chosen: object, **options: object) -> RaggedBatch:
        """Mirrored clips."""
        batch = super().gather(*chosen, **options)  # type: ignore[arg-type]
        points = exchanged_joints(torch.from_numpy(batch.points), mirror_trunk=True)
        points[:, TRUNK, 0] = 1 - points[:, TRUNK, 0]
        return RaggedBatch(points.numpy(), batch.visible, batch.lengths)


class _Doubled:
    """Keypoints of the others' clips, of their mirrored copies, and of the signer left out, in this order."""

    def __init__(self, corpus: PackedCorpus, signer: str, excluded: tuple[str, ...]) -> None:
        known = corpus.select(ClipSelection(exclude_signers=(signer,), exclude_labels=excluded))
        asked = corpus.select(ClipSelection(signers=(signer,), exclude_labels=excluded))
        seen = ((corpus, known), (Mirrored.open(corpus.path), known), (corpus, asked))
        self._features = torch.cat([keypoint_features(*each) for each in seen])
        self._labels = corpus.labels[np.concatenate([known, known, asked])].astype(np.int64)
        self._num_known, self._num_classes = len(known), len(corpus.label_names)

    def scores(self) -> Scores:
        """As of any features: the copies of what is drawn are labelled, too."""
        scores = {"knn": self._top1({"protocol": "knn", "num_neighbours": NUM_NEIGHBOURS}, seed=0)}
        for name, count in LABEL_COUNTS.items():
            fields = {"protocol": "linear", "labels_per_gloss": count}
            draws = range(1 if count is None else LABEL_DRAWS)
            scores[f"linear_{name}"] = statistics.fmean(self._top1(fields, seed=draw) for draw in draws)
        return scores

    def _top1(self, fields: Mapping[str, Any], *, seed: int) -> float:
        spec = EvaluateSpec(corpus="any", features="keypoints", **fields)
        drawn = labelled(np.arange(self._num_known), self._labels, spec, seed=seed)
        train = np.concatenate([drawn, drawn + self._num_known])
        test = np.arange(2 * self._num_known, len(self._labels))
        found = probe(
            spec, self._features, self._labels, train=train, test=test, num_classes=self._num_classes,
            meanwhile=lambda: None,
        )  # fmt: skip
        return float(found.of_clips["top1"].mean())
