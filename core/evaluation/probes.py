"""The protocols on frozen features: what is fitted or searched, and what becomes of each test clip."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.evaluation.accuracy import ranked
from core.evaluation.linear_probe import linear_scores
from core.evaluation.outcome import Outcome
from core.evaluation.retrieval import answers
from core.program.heartbeat import Heartbeat
from core.search.knn import knn_scores
from core.specs.jobs import EvaluateSpec


def probe(
    spec: EvaluateSpec,
    features: Float[Tensor, "n D"],
    labels: Int64[np.ndarray, " n"],
    *,
    train: Int64[np.ndarray, " N"],
    test: Int64[np.ndarray, " M"],
    num_classes: int,
    heartbeat: Heartbeat,
) -> Outcome:
    """Fit the spec's probe on the features at `train`, or search them, and score those at `test`.

    Searching calls `heartbeat` between blocks.
    """
    known, known_labels = features[train], torch.from_numpy(labels[train])
    if spec.protocol == "retrieval":
        asked = torch.from_numpy(labels[test])
        return _searched(known, known_labels, features[test], asked, heartbeat=heartbeat)
    if spec.protocol == "knn":
        scores = knn_scores(
            known,
            known_labels,
            features[test],
            num_classes=num_classes,
            num_neighbours=spec.num_neighbours,
            temperature=spec.temperature,
            heartbeat=heartbeat,
        )
    else:
        scores = linear_scores(
            known, known_labels, features[test], num_classes=num_classes, l2_penalty=spec.l2_penalty
        )
    return classified(scores.numpy(), labels[test])


def classified(scores: Float[np.ndarray, "M C"], labels: Int64[np.ndarray, " M"]) -> Outcome:
    """What became of clips that were given a score for each class."""
    found = ranked(scores, labels)
    hits = {"top1": found.top1.astype(np.float64), "top5": found.top5.astype(np.float64)}
    return Outcome(hits, found.predicted)


def _searched(
    known: Float[Tensor, "N D"],
    known_labels: Int64[Tensor, " N"],
    queries: Float[Tensor, "M D"],
    asked: Int64[Tensor, " M"],
    *,
    heartbeat: Heartbeat,
) -> Outcome:
    found = answers(known, known_labels, queries, asked, heartbeat=heartbeat)
    parts = {f"recall_at_{k}": found.first_rank <= k for k in (1, 5, 10)}
    parts["mean_average_precision"] = found.average_precision
    without = int((~torch.isfinite(found.first_rank)).sum())
    per_clip = {name: part.double().numpy() for name, part in parts.items()}
    return Outcome(per_clip, about={"num_test_without_relevant": without})
