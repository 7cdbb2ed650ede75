"""Evaluation: features of a corpus, a probe on them, and scores that prove nothing else has moved.

`python -m core.evaluation.evaluate --spec FILE --out DIR` runs it without any service.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.corpora.packed import PackedCorpus
from core.errors import SplitError, Stopped
from core.evaluation.accuracy import Accuracy, accuracy
from core.evaluation.folds import Fold, folds_of, shared_signers
from core.evaluation.knn import knn_scores
from core.evaluation.linear_probe import linear_scores
from core.evaluation.neighbours import Meanwhile
from core.evaluation.retrieval import Retrieval, retrieval
from core.evaluation.subject import Subject, subject_of
from core.observer import Observer, SilentObserver
from core.program import Launch, finish, main
from core.specs import EvaluateSpec


def evaluate(spec: EvaluateSpec, *, observer: Observer | None = None) -> dict[str, Any]:
    """Score features as `spec` says; fractions in [0, 1], averaged over folds, and each fold's own.

    Raises:
        CorpusError, EncoderError: a file cannot be used.
        SplitError: no labelled clips, a single gloss, or a fold with an empty side.
    """
    observer = observer or SilentObserver()
    corpus = PackedCorpus.open(spec.corpus)
    chosen = labelled_clips(corpus, spec)
    folds = folds_of(corpus, chosen, spec)
    classes, labels = np.unique(corpus.labels[chosen], return_inverse=True)
    if len(classes) < 2:
        raise SplitError(
            f"Only gloss {corpus.label_names[classes[0]]!r} of corpus {corpus.name!r} is selected; "
            "scores need two or more. Widen `clips`."
        )
    subject = subject_of(spec, corpus, chosen, observer)
    observer.on_phase("probing", total_steps=len(folds))
    scored = []
    for done, fold in enumerate(folds, start=1):
        heed = _heeding(observer, done - 1)
        result = score_fold(spec, subject.features, labels, fold, num_classes=len(classes), meanwhile=heed)
        about = {"name": fold.name, "num_train": len(fold.train)}
        scored.append({**about, **asdict(result), **_caveats(corpus, chosen, fold, subject)})
        observer.on_step(done, _fractions(scored[-1]))
    _warn(scored, observer)
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
    meanwhile: Meanwhile,
) -> Accuracy | Retrieval:
    """Fit the spec's probe on the fold's train clips, or search them, and score its test clips.

    Searching calls `meanwhile` between blocks.
    """
    train, test = features[fold.train], features[fold.test]
    train_labels = torch.from_numpy(labels[fold.train])
    if spec.protocol == "retrieval":
        test_labels = torch.from_numpy(labels[fold.test])
        return retrieval(train, train_labels, test, test_labels, num_classes=num_classes, meanwhile=meanwhile)
    if spec.protocol == "knn":
        scores = knn_scores(
            train,
            train_labels,
            test,
            num_classes=num_classes,
            num_neighbours=spec.num_neighbours,
            temperature=spec.temperature,
            meanwhile=meanwhile,
        )
    else:
        scores = linear_scores(train, train_labels, test, num_classes=num_classes, l2_penalty=spec.l2_penalty)
    return accuracy(scores.numpy(), labels[fold.test])


def _heeding(observer: Observer, num_done: int) -> Meanwhile:
    """Shows life in the middle of a fold, and stops there when asked to."""

    def heed() -> None:
        if observer.should_stop():
            raise Stopped("Stopped while probing; nothing was written.")
        observer.on_step(num_done, {})

    return heed


def _caveats(
    corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"], fold: Fold, subject: Subject
) -> dict[str, Any]:
    """What makes a fold's scores better than they are."""
    return {
        "shared_signers": shared_signers(corpus, chosen, fold),
        "num_test_pretrained_on": int(subject.pretrained_on[fold.test].sum()),
    }


def _warn(folds: list[dict[str, Any]], observer: Observer) -> None:
    """Say which folds are not what they seem."""
    seen = [str(fold["name"]) for fold in folds if fold["num_test_pretrained_on"]]
    if seen:
        clean = [str(fold["name"]) for fold in folds if not fold["num_test_pretrained_on"]]
        observer.on_log(
            f"The encoder was pretrained, without labels, on test clips of {', '.join(seen)}; "
            f"only {', '.join(clean) or 'no fold'} tests what it has never seen."
        )


def _averaged(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of the fractions over folds, sums of the test counts."""
    means = {name: float(np.mean([fold[name] for fold in folds])) for name in _fractions(folds[0])}
    return {
        **means,
        "num_test": sum(fold["num_test"] for fold in folds),
        "num_train": max(fold["num_train"] for fold in folds),
        "num_classes": folds[0]["num_classes"],
    }


def _fractions(scores: Mapping[str, Any]) -> dict[str, float]:
    """The scores proper among what is said about a fold; the rest are names and counts."""
    return {name: value for name, value in scores.items() if isinstance(value, float)}


def run(launch: Launch[EvaluateSpec]) -> Mapping[str, object]:
    """Score an encoder or a baseline on a labelled corpus."""
    return {"scores": evaluate(launch.spec, observer=launch.observer)}


if __name__ == "__main__":
    finish(main(run, EvaluateSpec))
