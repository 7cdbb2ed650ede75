"""Baselines that learn nothing: raw keypoints, and raw keypoints whose gallery holds mirrored copies too.

Much of what a view's hand swap teaches is that left-handed signing is the same sign. The mirrored gallery
gives raw keypoints that knowledge for nothing, so it is the baseline to be honest against.
"""

import numpy as np
import torch
from ablation.trials import NUM_NEIGHBOURS, Scores, frozen_scores

from core.augment.exchange import exchanged_joints
from core.corpora.packed import PackedCorpus, RaggedBatch
from core.evaluation.features import keypoint_features
from core.pose.skeleton import TRUNK
from core.search.knn import knn_scores
from core.specs import ClipSelection, EvaluateSpec

BASELINES = ("raw keypoints", "raw keypoints, mirrored gallery")
_TEMPERATURE = EvaluateSpec(corpus="any", features="keypoints").temperature


def baselines(corpus: str, signer: str, excluded: tuple[str, ...]) -> dict[str, Scores]:
    """Scores on the signer left out, by baseline."""
    raw = frozen_scores(corpus, signer, excluded, seed=0, features="keypoints")
    mirrored = {"knn": _mirrored_knn(PackedCorpus.open(corpus), signer, excluded)}
    return dict(zip(BASELINES, (raw, mirrored), strict=True))


class Mirrored(PackedCorpus):
    """A corpus seen in a mirror: hands change places, the trunk is reflected and its arms change places."""

    def gather(self, *chosen: object, **options: object) -> RaggedBatch:
        """Mirrored clips."""
        batch = super().gather(*chosen, **options)  # type: ignore[arg-type]
        points = exchanged_joints(torch.from_numpy(batch.points), mirror_trunk=True)
        points[:, TRUNK, 0] = 1 - points[:, TRUNK, 0]
        return RaggedBatch(points.numpy(), batch.visible, batch.lengths)


def _mirrored_knn(corpus: PackedCorpus, signer: str, excluded: tuple[str, ...]) -> float:
    mirror = Mirrored.open(corpus.path)
    known = corpus.select(ClipSelection(exclude_signers=(signer,), exclude_labels=excluded))
    asked = corpus.select(ClipSelection(signers=(signer,), exclude_labels=excluded))
    gallery = torch.cat([keypoint_features(each, known) for each in (corpus, mirror)])
    labels = torch.from_numpy(np.tile(corpus.labels[known].astype(np.int64), 2))
    votes = knn_scores(
        gallery, labels, keypoint_features(corpus, asked), num_classes=len(corpus.label_names),
        num_neighbours=NUM_NEIGHBOURS, temperature=_TEMPERATURE,
    )  # fmt: skip
    return float((votes.argmax(dim=1).numpy() == corpus.labels[asked]).mean())
