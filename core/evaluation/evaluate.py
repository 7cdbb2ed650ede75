"""Evaluation: features of a corpus, a probe on them, and scores that prove nothing else has moved.

`python -m core.evaluation.evaluate --spec FILE --out DIR` runs it without any service.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from core.corpora.packed import PackedCorpus
from core.errors import SplitError
from core.evaluation.accuracy import Accuracy, accuracy
from core.evaluation.features import encoder_features, keypoint_features
from core.evaluation.folds import Fold, folds_of, shared_signers
from core.evaluation.knn import knn_scores
from core.evaluation.linear_probe import linear_scores
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.weights import load_encoder
from core.observer import Observer, SilentObserver
from core.program import Launch, main
from core.specs import EvaluateSpec


def evaluate(spec: EvaluateSpec, *, observer: Observer | None = None) -> dict[str, Any]:
    """Score features as `spec` says; fractions in [0, 1], averaged over folds, and each fold's own.

    Raises:
        CorpusError, EncoderError: a file cannot be used.
        SplitError: no labelled clips, or a fold has an empty side.
    """
    observer = observer or SilentObserver()
    corpus = PackedCorpus.open(spec.corpus)
    chosen = labelled_clips(corpus, spec)
    folds = folds_of(corpus, chosen, spec)
    features = _features(spec, corpus, chosen, observer)
    classes, labels = np.unique(corpus.labels[chosen], return_inverse=True)
    observer.on_phase("probing", total_steps=len(folds))
    scored = []
    for done, fold in enumerate(folds, start=1):
        result = score_fold(spec, features, labels, fold, num_classes=len(classes))
        shared = shared_signers(corpus, chosen, fold)
        scored.append(
            {"name": fold.name, "num_train": len(fold.train), **asdict(result), "shared_signers": shared}
        )
        observer.on_step(done, {"top1": result.top1})
    return {**_averaged(scored), "folds": scored}


def labelled_clips(corpus: PackedCorpus, spec: EvaluateSpec) -> Int64[np.ndarray, " n"]:
    """The selected clips that have a label.

    Raises:
        SplitError: there are none.
    """
    chosen = corpus.select(spec.clips)
    chosen = chosen[corpus.labels[chosen] >= 0]
    if len(chosen) == 0:
        raise SplitError(
            f"No labelled clip of corpus {corpus.name!r} is selected; evaluation needs labels. "
            "Import the corpus with glosses, or widen `clips`."
        )
    return chosen


def score_fold(
    spec: EvaluateSpec,
    features: Float[Tensor, "n D"],
    labels: Int64[np.ndarray, " n"],
    fold: Fold,
    *,
    num_classes: int,
) -> Accuracy:
    """Fit the spec's probe on the fold's train clips and score its test clips."""
    train, test = features[fold.train], features[fold.test]
    train_labels = torch.from_numpy(labels[fold.train])
    if spec.protocol == "knn":
        scores = knn_scores(
            train,
            train_labels,
            test,
            num_classes=num_classes,
            num_neighbours=spec.num_neighbours,
            temperature=spec.temperature,
        )
    else:
        scores = linear_scores(train, train_labels, test, num_classes=num_classes, l2_penalty=spec.l2_penalty)
    return accuracy(scores.numpy(), labels[fold.test])


def _features(
    spec: EvaluateSpec, corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"], observer: Observer
) -> Float[Tensor, "n D"]:
    if spec.features == "keypoints":
        return keypoint_features(corpus, chosen)
    assert spec.encoder is not None, "the specification's validator asks for one"
    model = load_encoder(spec.encoder).model
    if spec.features == "untrained":
        model = _fresh(model, seed=spec.seed)
    before = _digest(model)
    features = encoder_features(model, corpus, chosen, observer)
    assert _digest(model) == before, "an evaluation must not move the encoder"
    return features


def _fresh(model: ClipEncoder, *, seed: int) -> ClipEncoder:
    """The same network with weights that have learned nothing."""
    torch.manual_seed(seed)
    return ClipEncoder(model.config).eval()


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.numpy(force=True).tobytes())
    return digest.hexdigest()


def _averaged(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of the fractions over folds, sums of the test counts."""
    means = {
        field.name: float(np.mean([fold[field.name] for fold in folds]))
        for field in fields(Accuracy)
        if field.name.startswith("top")
    }
    return {
        **means,
        "num_test": sum(fold["num_test"] for fold in folds),
        "num_train": max(fold["num_train"] for fold in folds),
        "num_classes": folds[0]["num_classes"],
    }


def run(launch: Launch[EvaluateSpec]) -> Mapping[str, object]:
    """Score an encoder or a baseline on a labelled corpus."""
    return {"scores": evaluate(launch.spec, observer=launch.observer)}


if __name__ == "__main__":
    sys.exit(main(run, EvaluateSpec))
