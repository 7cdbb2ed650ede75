"""A trial of the ablation: pretrain without labels and without one signer, then score on that signer."""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ablation.rows import Row

from core.corpora.packed import PackedCorpus
from core.evaluation.evaluate import evaluate
from core.specs.jobs import ClipSelection, EvaluateSpec, PretrainSpec
from core.specs.recipes import resolve
from core.training.pretrain import pretrain

Scores = dict[str, float]
LABEL_COUNTS: Mapping[str, int | None] = {"1": 1, "5": 5, "all": None}
NUM_NEIGHBOURS = 5
LABEL_DRAWS = 5
_FINE_TUNING: Mapping[str, Any] = {"min_crop_frames": 8, "checkpoint_every_epochs": 100_000}


@dataclass(frozen=True)
class Trial:
    """A row for one held-out signer and one seed, on a corpus."""

    row: Row
    corpus: str
    signer: str
    seed: int
    exclude_labels: tuple[str, ...]
    fine_tuned: bool

    @property
    def key(self) -> str:
        """Digest of all settings of pretraining and of the options for probes (without their defaults).

        A result is reused only for the same key.
        """
        facts = {
            "corpus": PackedCorpus.open(self.corpus).digest,
            "config": resolve(self._pretraining()).model_dump(mode="json", exclude={"recipe"}),
            "pretrained": self.row.pretrained,
            "signer": self.signer,
            "excluded": self.exclude_labels,
            "probes": [dict(LABEL_COUNTS), NUM_NEIGHBOURS, LABEL_DRAWS],
            "fine_tuned": self.fine_tuned and dict(_FINE_TUNING),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def run(self) -> dict[str, Any]:
        """Run the trial on one thread, so that several can run in parallel."""
        torch.set_num_threads(1)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="signforge-trial-") as folder:
            made = pretrain(self._pretraining(), Path(folder))
            trained = time.perf_counter()
            scores = self._scores(Path(folder) / "encoder")
        return {
            "key": self.key,
            "row": self.row.name,
            "group": self.row.group,
            "signer": self.signer,
            "seed": self.seed,
            "steps": made["steps"],
            "pretraining_seconds": round(trained - began, 1),
            "seconds": round(time.perf_counter() - began, 1),
            **scores,
        }

    def _pretraining(self) -> PretrainSpec:
        run = {**self.row.overrides["run"], "seed": self.seed}
        if not self.row.pretrained:
            run["num_epochs"] = 1  # only to write the file; its weights are not used
        return PretrainSpec(
            corpus=self.corpus,
            recipe=self.row.recipe,
            overrides={**self.row.overrides, "run": run},
            clips=ClipSelection(exclude_signers=(self.signer,), exclude_labels=self.exclude_labels),
        )

    def _scores(self, encoder: Path) -> Scores:
        features = "encoder" if self.row.pretrained else "untrained"
        common = {"encoder": str(encoder), "features": features}
        scores = frozen_scores(self.corpus, self.signer, self.exclude_labels, seed=self.seed, **common)
        if self.fine_tuned:
            for name, count in LABEL_COUNTS.items():
                scores[f"fine_tune_{name}"] = top1(
                    self.corpus, self.signer, self.exclude_labels, protocol="fine_tune", seed=self.seed,
                    labels_per_gloss=count, fine_tune=_FINE_TUNING, **common,
                )  # fmt: skip
        return scores


def frozen_scores(
    corpus: str, signer: str, excluded: tuple[str, ...], *, seed: int, **subject: Any
) -> Scores:
    """Score kNN with all labels, and logistic regression with all and few labels (mean of several draws)."""
    scores = {"knn": top1(corpus, signer, excluded, num_neighbours=NUM_NEIGHBOURS, seed=seed, **subject)}
    for name, count in LABEL_COUNTS.items():
        scores[f"linear_{name}"] = top1(
            corpus, signer, excluded, protocol="linear", labels_per_gloss=count,
            seed=seed * LABEL_DRAWS, num_seeds=1 if count is None else LABEL_DRAWS, **subject,
        )  # fmt: skip
    return scores


def top1(corpus: str, signer: str, excluded: tuple[str, ...], **fields: Any) -> float:
    """Return the top-1 accuracy on all clips of a signer, fitted on the other signers' labels."""
    spec = EvaluateSpec(
        corpus=corpus,
        clips=ClipSelection(exclude_signers=(signer,), exclude_labels=excluded),
        test_corpus=corpus,
        test_clips=ClipSelection(signers=(signer,), exclude_labels=excluded),
        **fields,
    )
    return float(evaluate(spec)["top1"])
