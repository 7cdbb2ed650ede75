"""A trial: pretrain on a fold's clips without their labels, then score on the clips that were left out."""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ablation.pretrained import few_clips, pretrained_once
from ablation.rows import Row
from ablation.suite import Fold

from core.corpora.packed import PackedCorpus
from core.evaluation.evaluate import evaluate
from core.specs.jobs import ClipSelection, EvaluateSpec, MoreClips, PretrainSpec
from core.specs.recipes import resolve
from core.training.pretrain import pretrain

Scores = dict[str, float]
LABEL_COUNTS: Mapping[str, int | None] = {"1": 1, "5": 5, "all": None}
NUM_NEIGHBOURS = 5
LABEL_DRAWS = 5
STEPS = 320
"""Of rows that pretrain on other corpora; about as many as those of a fold's own clips take."""
_FINE_TUNING: Mapping[str, Any] = {"min_crop_frames": 8, "checkpoint_every_epochs": 100_000}


@dataclass(frozen=True)
class Trial:
    """A row for one fold and one seed."""

    row: Row
    fold: Fold
    seed: int
    fine_tuned: tuple[str, ...]
    """Numbers of labels to fine-tune with, as in `LABEL_COUNTS`."""
    num_steps: int | None = None
    """Steps to train, about, instead of the row's epochs."""

    @property
    def key(self) -> str:
        """Digest of all settings of pretraining and of the options for probes (without their defaults).

        A result is reused only for the same key.
        """
        facts = {
            "corpus": self.fold.digest,
            "config": resolve(self._pretraining()).model_dump(mode="json", exclude={"recipe"}),
            "pretrained": self.row.pretrained,
            "clips": [clips.model_dump(mode="json") for clips in (self.fold.known, self.fold.asked)],
            "probes": [dict(LABEL_COUNTS), NUM_NEIGHBOURS, LABEL_DRAWS],
            "fine_tuned": self._fine_tuning(),
            **self._learned_from(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def _learned_from(self) -> dict[str, Any]:
        """What the key says of other clips than those of the fold."""
        if self.row.learned_from == "own":
            return {} if self.row.num_clips is None else {"num_clips": self.row.num_clips}
        corpora = [
            [PackedCorpus.open(each.corpus).digest[:16], each.clips.model_dump(mode="json"), each.weight]
            for each in self._sources()
        ]
        return {"learned_from": corpora}

    def _sources(self) -> list[MoreClips]:
        """Return the corpora and clips to pretrain on."""
        own = MoreClips(corpus=self.fold.path, clips=self.fold.known)
        sources = {
            "own": [own],
            "others": [*self.fold.others],
            "all": [own, *self.fold.others],
            "made-up": [*self.fold.more_made_up.get(self.row.num_clips or 0, self.fold.made_up)],
        }
        return sources[self.row.learned_from]

    def _fine_tuning(self) -> dict[str, Any] | bool:
        """What the key says of fine-tuning; with all numbers of labels they are not named."""
        some = {} if len(self.fine_tuned) == len(LABEL_COUNTS) else {"labels": sorted(self.fine_tuned)}
        return bool(self.fine_tuned) and {**_FINE_TUNING, **some}

    def run(self) -> list[dict[str, Any]]:
        """Run the trial on one thread, so that several can run in parallel."""
        torch.set_num_threads(1)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="signforge-trial-") as folder:
            made = self._pretrained(Path(folder))
            trained = time.perf_counter()
            scores = self._scores(Path(folder) / "encoder")
        about = {
            "key": self.key,
            "row": self.row.name,
            "group": self.row.group,
            **self.fold.facts,
            "seed": self.seed,
            "steps": made["steps"],
            "pretraining_seconds": round(trained - began, 1),
            "seconds": round(time.perf_counter() - began, 1),
        }
        return [{**about, **scores}]

    def _pretrained(self, folder: Path) -> dict[str, object]:
        """Pretrain below `folder`; what does not depend on the fold is pretrained once for all folds."""
        spec = self._pretraining()
        if self.row.learned_from == "own" and self.row.num_clips is not None:
            few = few_clips(PackedCorpus.open(spec.corpus), spec.clips, self.row.num_clips, self.seed, folder)
            spec = spec.model_copy(update={"corpus": str(few), "clips": ClipSelection()})
        if self.row.learned_from == "made-up":
            return pretrained_once(spec, Path(self.fold.path).parents[1], folder)
        return pretrain(spec, folder)

    def _pretraining(self) -> PretrainSpec:
        run = {**self.row.overrides.get("run", {}), "seed": self.seed}
        if not self.row.pretrained:
            run["num_epochs"] = 1  # only to write the file; its weights are not used
        elif self.row.learned_from != "own" or self.row.num_clips is not None:
            del run["num_epochs"]
            run["num_steps"] = self.num_steps or STEPS
        elif self.num_steps is not None:
            run["num_epochs"] = max(1, round(self.num_steps / self._steps_an_epoch))
        first, *more = self._sources()
        return PretrainSpec(
            corpus=first.corpus,
            recipe=self.row.recipe,
            overrides={**self.row.overrides, "run": run},
            clips=first.clips,
            also=tuple(more),
        )

    @property
    def _steps_an_epoch(self) -> int:
        num_clips = len(PackedCorpus.open(self.fold.path).select(self.fold.known))
        return int(num_clips // self.row.overrides["run"]["batch_size"])

    def _scores(self, encoder: Path) -> Scores:
        features = "encoder" if self.row.pretrained else "untrained"
        common = {"encoder": str(encoder), "features": features}
        scores = frozen_scores(self.fold, seed=self.seed, **common)
        for name in self.fine_tuned:
            scores[f"fine_tune_{name}"] = top1(
                self.fold,
                protocol="fine_tune",
                seed=self.seed,
                labels_per_gloss=LABEL_COUNTS[name],
                fine_tune=_FINE_TUNING,
                **common,
            )
        return scores


def frozen_scores(fold: Fold, *, seed: int, **subject: Any) -> Scores:
    """Score kNN with all labels, and logistic regression with all and few labels (mean of several draws)."""
    scores = {"knn": top1(fold, num_neighbours=NUM_NEIGHBOURS, seed=seed, **subject)}
    for name, count in LABEL_COUNTS.items():
        scores[f"linear_{name}"] = top1(
            fold,
            protocol="linear",
            labels_per_gloss=count,
            seed=seed * LABEL_DRAWS,
            num_seeds=1 if count is None else LABEL_DRAWS,
            **subject,
        )
    return scores


def top1(fold: Fold, **fields: Any) -> float:
    """Return the top-1 accuracy on the clips asked, fitted on the labels of those known."""
    spec = EvaluateSpec(
        corpus=fold.path, clips=fold.known, test_corpus=fold.path, test_clips=fold.asked, **fields
    )
    return float(evaluate(spec)["top1"])
