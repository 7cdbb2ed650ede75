"""Posture probe: predicts glosses from nose and shoulders of the first frame, which contain no sign.

If the probe predicts glosses above chance, train and test share the posture in which a sign was recorded, and
every score on them is inflated.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.corpora.packed import PackedCorpus
from core.evaluation.folds import Fold
from core.evaluation.leak_audit.permutation_test import PermutationTest, Recordings, permutation_test
from core.evaluation.linear_probe import linear_scores
from core.pose.skeleton import LEFT_ARM, NOSE, RIGHT_ARM
from core.program.heartbeat import Heartbeat

_POINTS = (NOSE.start, LEFT_ARM.start, RIGHT_ARM.start)
"""Nose, left shoulder, right shoulder."""
_L2_PENALTY = 1e-3
_NUM_NEIGHBOURS = 5
_BLOCK = 1024
PROBES = ("linear", "neighbours")
"""Logistic regression, which finds linear separation, and a vote of the five nearest neighbours, which finds
clusters: a signer who moves between signs has another position for each."""


@dataclass(frozen=True)
class Reading:
    """Scores of the probes over all folds' test clips, with their permutation tests.

    `majority` is the score of predicting each training side's most frequent gloss. Fractions in [0, 1].
    """

    scores: dict[str, float]
    tests: dict[str, PermutationTest]
    majority: float

    @property
    def best(self) -> str:
        """The probe with the largest score above its expectation under permutation."""
        return max(self.scores, key=lambda probe: self.scores[probe] - self.tests[probe].expected)


def posture_features(corpus: PackedCorpus, clips: Int64[np.ndarray, " N"]) -> Float[Tensor, "N 6"]:
    """Return nose and shoulders of each clip's first frame, in fractions of the image."""
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
    """Fit both probes on each fold's training clips and score them on its test clips.

    `labels` count from 0; `recordings_of` are each clip's signer and session. `level` is the significance
    level of the permutation tests.
    """
    num_classes = int(labels.max()) + 1
    answers: dict[str, list[np.ndarray]] = {probe: [] for probe in (*PROBES, "majority")}
    for fold in folds:
        heartbeat()
        predicted = _answers(features, labels, fold, num_classes=num_classes, heartbeat=heartbeat)
        for probe, answer in predicted.items():
            answers[probe].append(answer)
    tested = np.concatenate([fold.test for fold in folds])
    signers, sessions = recordings_of
    recordings = Recordings.of(labels[tested], signers[tested], sessions[tested])
    whole = {probe: np.concatenate(pieces) for probe, pieces in answers.items()}
    scores = {probe: float((answer == labels[tested]).mean()) for probe, answer in whole.items()}
    tests = {
        probe: permutation_test(
            whole[probe],
            recordings,
            num_classes=num_classes,
            generator=np.random.default_rng(seed),
            level=level,
        )
        for probe in PROBES
    }
    majority = scores.pop("majority")
    return Reading(scores, tests, majority)


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
    """Classify by the five nearest neighbours in Euclidean distance of standardised features.

    Nearer neighbours decide ties. `knn_scores` is not used, because cosine similarity compares only
    directions from the mean, which is too little for six features.
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
