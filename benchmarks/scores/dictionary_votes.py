"""Ways in which exemplars may vote for glosses in a dictionary, on raw keypoints of new signers.

    python benchmarks/scores/dictionary_votes.py FILE.npz ...

Each file is imported as square frames, and each signer is left out in turn; the gloss `-` (nothing is signed)
is left out. A row is a way of voting: its scores of each signer, and their differences from the nearest
exemplar's, the protocol `dictionary`.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.corpora.importing import import_corpus
from core.evaluation.dictionary import dictionary_scores
from core.evaluation.features import keypoint_features
from core.evaluation.probes import classification_outcome
from core.evaluation.task import Task, task_of
from core.program.observer import SilentObserver
from core.search.knn import knn_scores
from core.search.neighbours import unit
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import ClipSelection, EvaluateSpec

ALL = 10**6
SHOWN = ("top1", "top10", "mean_reciprocal_rank")
Vote = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare votes of exemplars.")
    parser.add_argument("files", nargs="+", type=Path)
    for path in parser.parse_args().files:
        with tempfile.TemporaryDirectory() as folder:
            compare(path, Path(folder))


def compare(path: Path, folder: Path) -> None:
    """Print the scores of each vote on one corpus."""
    import_corpus(ImportSpec(name=path.stem, source=str(path.resolve())), folder, SilentObserver())
    task = task_of(
        EvaluateSpec(
            corpus=str(folder / "corpus"),
            features="keypoints",
            protocol="dictionary",
            folds="each_signer",
            clips=ClipSelection(exclude_labels=("-",)),
            allow_identical_clips=True,
        )
    )
    print(f"\n{path.stem}: {len(task.glosses)} glosses, signers {', '.join(f.name for f in task.folds)}")
    base: dict[str, np.ndarray] = {}
    for name, vote in VOTES.items():
        found = scores(task, vote)
        base = base or found
        cells = (
            f"{score} {' '.join(f'{value:.3f}' for value in found[score])} "
            f"({min(found[score] - base[score]):+.3f} .. {max(found[score] - base[score]):+.3f})"
            for score in SHOWN
        )
        print(f"{name:22}", " | ".join(cells), flush=True)


def scores(task: Task, vote: Vote) -> dict[str, np.ndarray]:
    """Return each score of each signer."""
    rows = list(_of_signers(task, vote))
    return {score: np.array([row[score] for row in rows]) for score in SHOWN}


def _of_signers(task: Task, vote: Vote) -> Iterator[dict[str, float]]:
    features = torch.cat([keypoint_features(source.corpus, source.clips) for source in task.sources])
    labels = torch.from_numpy(task.labels)
    for fold in task.folds:
        ranked = vote(features[fold.train], labels[fold.train], features[fold.test], len(task.glosses))
        train, test = task.labels[fold.train], task.labels[fold.test]
        outcome = classification_outcome(ranked.numpy(), test, trained=train)
        yield {score: float(outcome.per_clip[score].mean()) for score in SHOWN}


def nearest(exemplars: Tensor, labels: Tensor, queries: Tensor, num_classes: int) -> Tensor:
    return dictionary_scores(exemplars, labels, queries, num_classes=num_classes)


def mean_of(count: int) -> Vote:
    """Make a vote: the mean similarity of a gloss' nearest exemplars."""

    def vote(exemplars: Tensor, labels: Tensor, queries: Tensor, num_classes: int) -> Tensor:
        centre = exemplars.mean(dim=0)
        similarities = unit(queries, centre) @ unit(exemplars, centre).T
        found = similarities.new_full((len(queries), num_classes), -torch.inf)
        for gloss in labels.unique().tolist():
            own = similarities[:, labels == gloss]
            found[:, gloss] = own.topk(min(count, own.shape[1]), dim=1).values.mean(dim=1)
        return found

    return vote


def neighbours(count: int) -> Vote:
    """Make a vote: that of the protocol `knn`."""

    def vote(exemplars: Tensor, labels: Tensor, queries: Tensor, num_classes: int) -> Tensor:
        return knn_scores(
            exemplars, labels, queries, num_classes=num_classes, num_neighbours=count, temperature=0.07
        )

    return vote


VOTES: dict[str, Vote] = {
    "nearest exemplar": nearest,
    "mean of 3": mean_of(3),
    "mean of 5": mean_of(5),
    "mean of all": mean_of(ALL),
    "knn, 20 neighbours": neighbours(20),
    "knn, all exemplars": neighbours(ALL),
}


if __name__ == "__main__":
    main()
