"""Evaluation protocols on frozen features: kNN, linear probe, dictionary and retrieval."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.evaluation.accuracy import rank_classes
from core.evaluation.dictionary import dictionary_scores
from core.evaluation.linear_probe import linear_scores
from core.evaluation.outcome import Outcome
from core.evaluation.rank_scores import dcg, hits, reciprocal
from core.evaluation.retrieval import rank_gallery
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
    """Fit the probe on the features at `train`, or search them, and score the features at `test`.

    A search calls `heartbeat` between blocks.
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
    elif spec.protocol == "dictionary":
        scores = dictionary_scores(
            known, known_labels, features[test], num_classes=num_classes, heartbeat=heartbeat
        )
    else:
        scores = linear_scores(
            known, known_labels, features[test], num_classes=num_classes, l2_penalty=spec.l2_penalty
        )
    return classification_outcome(scores.numpy(), labels[test], trained=labels[train])


def classification_outcome(
    scores: Float[np.ndarray, "M C"], labels: Int64[np.ndarray, " M"], *, trained: Int64[np.ndarray, " N"]
) -> Outcome:
    """Return ranks, the scores from them, and predictions of clips from their class scores.

    `trained` are the labels of the training clips. Only their classes can be answered, so that top-k of as
    many or more is left out.
    """
    ranks, predicted = rank_classes(scores, labels)
    per_clip = hits(ranks, num_ranked=len(np.unique(trained)), name="top")
    per_clip |= {"mean_reciprocal_rank": reciprocal(ranks), "dcg": dcg(ranks)}
    return Outcome(per_clip, predicted, ranks)


def _searched(
    known: Float[Tensor, "N D"],
    known_labels: Int64[Tensor, " N"],
    queries: Float[Tensor, "M D"],
    asked: Int64[Tensor, " M"],
    *,
    heartbeat: Heartbeat,
) -> Outcome:
    found = rank_gallery(known, known_labels, queries, asked, heartbeat=heartbeat)
    ranks = found.first_rank.double().numpy()
    per_clip = hits(ranks, num_ranked=len(known), name="recall_at_")
    per_clip["mean_average_precision"] = found.average_precision.double().numpy()
    per_clip["mean_reciprocal_rank"] = reciprocal(ranks)
    without = int((~np.isfinite(ranks)).sum())
    return Outcome(per_clip, ranks=ranks, about={"num_test_without_relevant": without})
