"""Whether glosses can be told without looking at any sign: by head and shoulders of the first frame.

Nobody signs with the nose and the shoulders of one frame. Where a probe of these reads the gloss all the
same, train and test share how somebody sat when a sign was recorded, and every score on them is inflated.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.corpora.packed import PackedCorpus
from core.evaluation.folds import Fold
from core.evaluation.leak_audit.luck import Luck, Recordings, luck_of
from core.evaluation.linear_probe import linear_scores
from core.pose.skeleton import LEFT_ARM, NOSE, RIGHT_ARM
from core.program.heartbeat import Heartbeat

_POINTS = (NOSE.start, LEFT_ARM.start, RIGHT_ARM.start)
"""Nose, left shoulder, right shoulder."""
_L2_PENALTY = 1e-3
_NUM_NEIGHBOURS = 5
_BLOCK = 1024
PROBES = ("linear", "neighbours")
"""Logistic regression, which reads what lies along a direction, and the vote of the five nearest, which reads
where each gloss' clips lie: somebody who moves between signs is somewhere else for each."""


@dataclass(frozen=True)
class Reading:
    """What the probes read from features: scores over all folds' test clips, and what luck would give.

    `majority` answers each train side's commonest gloss. Fractions in [0, 1].
    """

    scores: dict[str, float]
    luck: dict[str, Luck]
    majority: float

    @property
    def best(self) -> str:
        """The probe that reads most beyond luck."""
        return max(self.scores, key=lambda probe: self.scores[probe] - self.luck[probe].expected)


def posture_features(corpus: PackedCorpus, clips: Int64[np.ndarray, " N"]) -> Float[Tensor, "N 6"]:
    """Nose and shoulders of each clip's first frame, in fractions of the image."""
    frames = corpus.points.take(corpus.offsets[clips], axis=0)  # (N, 49, 2)
    return torch.from_numpy(frames[:, list(_POINTS)]).flatten(1)


def read(
    features: Float[Tensor, "n D"],
    labels: Int64[np.ndarray, " n"],
    folds: list[Fold],
    recordings_of: tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]],
    *,
    seed: int,
    level: float,
    heartbeat: Heartbeat = lambda: None,
) -> Reading:
    """Fit both probes on each fold's train clips and ask them about its test clips.

    `labels` count from 0; `recordings_of` are each clip's signer and session. `level` is the p-value from
    which on a score is not luck.
    """
    num_classes = int(labels.max()) + 1
    answers: dict[str, list[np.ndarray]] = {probe: [] for probe in (*PROBES, "majority")}
    for fold in folds:
        heartbeat()
        told = _answers(features, labels, fold, num_classes=num_classes, heartbeat=heartbeat)
        for probe, answer in told.items():
            answers[probe].append(answer)
    tested = np.concatenate([fold.test for fold in folds])
    signers, sessions = recordings_of
    recordings = Recordings.of(labels[tested], signers[tested], sessions[tested])
    whole = {probe: np.concatenate(pieces) for probe, pieces in answers.items()}
    scores = {probe: float((answer == labels[tested]).mean()) for probe, answer in whole.items()}
    luck = {
        probe: luck_of(
            whole[probe],
            recordings,
            num_classes=num_classes,
            generator=np.random.default_rng(seed),
            level=level,
        )
        for probe in PROBES
    }
    majority = scores.pop("majority")
    return Reading(scores, luck, majority)


def _answers(
    features: Float[Tensor, "n D"],
    labels: Int64[np.ndarray, " n"],
    fold: Fold,
    *,
    num_classes: int,
    heartbeat: Heartbeat,
) -> dict[str, Int64[np.ndarray, " M"]]:
    train, test = features[fold.train], features[fold.test]
    train_labels = torch.from_numpy(labels[fold.train])
    logits = linear_scores(train, train_labels, test, num_classes=num_classes, l2_penalty=_L2_PENALTY)
    voted = _voted(train, train_labels, test, num_classes=num_classes, heartbeat=heartbeat)
    commonest = np.bincount(labels[fold.train]).argmax()
    return {
        "linear": logits.argmax(dim=1).numpy(),
        "neighbours": voted.numpy(),
        "majority": np.full(len(fold.test), commonest),
    }


def _voted(
    train: Float[Tensor, "N D"],
    train_labels: Int64[Tensor, " N"],
    test: Float[Tensor, "M D"],
    *,
    num_classes: int,
    heartbeat: Heartbeat,
) -> Int64[Tensor, " M"]:
    """The vote of the five nearest by Euclidean distance of standardised features; nearer ones decide a tie.

    Not `knn_scores`: its cosine looks at the direction from the mean alone, of six numbers that is little.
    """
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0).clamp(min=1e-6)
    known = (train - mean) / deviation
    count = min(_NUM_NEIGHBOURS, len(train))
    answers = []
    for block in ((test - mean) / deviation).split(_BLOCK):
        heartbeat()
        near = torch.cdist(block, known).topk(count, largest=False)
        votes = block.new_zeros(len(block), num_classes)
        weights = 1 + 1e-3 / (1 + near.values)
        votes.scatter_add_(1, train_labels[near.indices], weights)
        answers.append(votes.argmax(dim=1))
    return torch.cat(answers)
