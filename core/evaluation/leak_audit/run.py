"""Leak audit of a corpus: copies, shared signers and sessions, and glosses predicted from posture.

    python -m core.evaluation.leak_audit.run --spec FILE --out DIR

runs it without the service. docs/explanation/leak-audit.md gives the reason for each rule.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from core.corpora.packed import PackedCorpus
from core.evaluation.features import keypoint_features
from core.evaluation.folds import Fold
from core.evaluation.leak_audit.comparison import Comparison, named
from core.evaluation.leak_audit.copies import MiddleFrames
from core.evaluation.leak_audit.posture import PROBES, Reading, posture_features, read
from core.evaluation.leak_audit.sides import has_training_side, merged, sides_of
from core.evaluation.leak_audit.verdict import LEVEL, verdict
from core.program.frame import Launch, finish, main
from core.program.heartbeat import heartbeat
from core.program.observer import Observer, SilentObserver
from core.specs.jobs import LeakAuditSpec

_MOST_FOLDS_PROBED = 5
"""With more folds, several signers or sessions are left out together: linear probes take minutes on large
corpora."""
_PROBES_READ = 2
"""Posture, and keypoints for comparison."""


def leak_audit(spec: LeakAuditSpec, *, observer: Observer | None = None) -> dict[str, Any]:
    """Compare the sides that `spec` selects; returns whether there is an alarm, the reasons, and the numbers.

    Raises:
        CorpusError: the corpus cannot be used.
        SpecError: no clips are selected.
        SplitError: there are fewer than two sides to compare.
        Stopped: the observer asked to stop.
    """
    observer = observer or SilentObserver()
    corpus = PackedCorpus.open(spec.corpus)
    chosen = corpus.select(spec.clips)
    folds = sides_of(corpus, chosen, spec)
    compared = _compared(corpus, chosen, folds, spec, observer)
    probed = _probed(corpus, chosen, folds, spec, observer)
    judged = verdict(compared, probed, num_signers=len(named(corpus.signers[chosen])))
    about = {"corpus": corpus.name, "digest": corpus.digest, "num_clips": len(chosen)}
    results = [each.to_result(corpus.clip_name) for each in compared]
    return {**judged, **about, "folds": results, "probes": probed}


def _compared(
    corpus: PackedCorpus,
    chosen: Int64[np.ndarray, " n"],
    folds: list[Fold],
    spec: LeakAuditSpec,
    observer: Observer,
) -> list[Comparison]:
    """Compare the two sides of each fold."""
    observer.on_phase("comparing", total_steps=len(folds))
    frames = MiddleFrames.of(corpus, chosen)
    compared = []
    for done, fold in enumerate(folds, start=1):
        compared.append(
            Comparison.of(
                corpus,
                fold.name,
                train=chosen[fold.train],
                test=chosen[fold.test],
                frames=frames,
                copy_distance=spec.copy_distance,
                heartbeat=heartbeat(observer, doing="auditing", num_done=done - 1),
            )
        )
        observer.on_step(done, {})
    return compared


def _probed(
    corpus: PackedCorpus,
    chosen: Int64[np.ndarray, " n"],
    folds: list[Fold],
    spec: LeakAuditSpec,
    observer: Observer,
) -> dict[str, Any] | None:
    """Probe glosses from posture alone and from keypoints; None with fewer than two glosses."""
    places = _labelled(corpus, chosen, spec)
    clips = chosen[places]
    classes, labels = np.unique(corpus.labels[clips], return_inverse=True)
    within = [_within(fold, places, len(chosen)) for fold in folds if has_training_side(fold, spec)]
    if spec.folds != "split":
        within = merged(within, at_most=_MOST_FOLDS_PROBED)
    within = [fold for fold in within if len(fold.train) and len(fold.test)]
    if len(classes) < 2 or not within:
        return None
    observer.on_phase("probing", total_steps=_PROBES_READ)
    results = {}
    pieces: tuple[tuple[str, Callable[[PackedCorpus, Int64[np.ndarray, " n"]], torch.Tensor]], ...] = (
        ("posture", posture_features),
        ("keypoints", keypoint_features),
    )
    for done, (name, features) in enumerate(pieces):
        reading = read(
            features(corpus, clips),
            labels,
            within,
            (corpus.signers[clips].astype(np.int64), corpus.sessions[clips].astype(np.int64)),
            seed=spec.seed,
            level=LEVEL,
            heartbeat=heartbeat(observer, doing="auditing", num_done=done),
        )
        results[name] = _probe_result(reading)
        observer.on_step(done + 1, reading.scores)
    return {
        **results,
        "num_glosses": len(classes),
        "num_glosses_of": len(np.unique(corpus.labels[chosen][corpus.labels[chosen] >= 0])),
        "chance_uniform": 1 / len(classes),
        "chance_majority": reading.majority,
    }


def _labelled(
    corpus: PackedCorpus, chosen: Int64[np.ndarray, " n"], spec: LeakAuditSpec
) -> Int64[np.ndarray, " m"]:
    """Return positions of the labelled clips to probe, of at most `probe_glosses` glosses drawn by seed."""
    labels = corpus.labels[chosen]
    glosses = np.unique(labels[labels >= 0])
    if len(glosses) > spec.probe_glosses:
        glosses = np.random.default_rng(spec.seed).choice(glosses, spec.probe_glosses, replace=False)
    return np.flatnonzero(np.isin(labels, glosses))


def _within(fold: Fold, places: Int64[np.ndarray, " m"], num_chosen: int) -> Fold:
    """Restrict a fold to the clips at `places`, and renumber its positions."""
    new = np.full(num_chosen, -1)
    new[places] = np.arange(len(places))
    train, test = (new[side][new[side] >= 0] for side in (fold.train, fold.test))
    return Fold(fold.name, train, test)


def _probe_result(reading: Reading) -> dict[str, Any]:
    best = reading.best
    test = reading.tests[best]
    return {
        **{probe: reading.scores[probe] for probe in PROBES},
        "best": best,
        "by_luck": test.expected,
        "p_value": test.p_value,
        "num_recordings": test.num_recordings,
        "can_tell": test.can_tell,
    }


def run(launch: Launch[LeakAuditSpec]) -> Mapping[str, object]:
    """Audit the splits of a corpus for data leakage."""
    return {"leak_audit": leak_audit(launch.spec, observer=launch.observer)}


if __name__ == "__main__":
    finish(main(run, LeakAuditSpec))
