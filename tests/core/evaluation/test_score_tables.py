"""Tables of signers and clips sum to the whole; a k that says nothing is left out of the whole result."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.evaluation.evaluate import evaluate
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import EvaluateSpec
from tests.core.evaluation.making import packed, signed_clips


def of_several_signers() -> list[SourceClip]:
    """Clips of seven glosses that look much alike; each split has four signers of its own, one a take."""
    clips = signed_clips("abcdefg", ["train", "test"], noise=1.5)
    return [replace(clip, signer=f"{clip.split} {clip.name[-1]}") for clip in clips]


def keypoints(corpus: PackedCorpus, **fields: object) -> EvaluateSpec:
    return EvaluateSpec(**{"corpus": str(corpus.path), "features": "keypoints", **fields})


@pytest.mark.parametrize("protocol", ["knn", "dictionary", "retrieval"])
def test_the_tables_of_signers_and_clips_sum_to_the_whole(tmp_path: Path, protocol: str) -> None:
    corpus = packed(tmp_path / "signs", of_several_signers())
    scores = evaluate(keypoints(corpus, protocol=protocol, num_neighbours=3, labels_per_gloss=2, num_seeds=3))
    table = scores["per_signer"]
    assert [row["signer"] for row in table] == [f"test {take}" for take in range(4)]
    assert sum(row["num_test"] for row in table) == scores["num_test"] == 28
    names = [name for name in scores["intervals"] if not name.endswith("_per_class")]
    assert {"mean_reciprocal_rank"} < set(names)
    assert scores["mean_reciprocal_rank"] < 1, "otherwise every sum is right"
    for name in names:
        weighted = np.average([row[name] for row in table], weights=[row["num_test"] for row in table])
        assert weighted == pytest.approx(scores[name])
        for row in table:
            low, high = row["intervals"][name]
            assert low - 1e-12 <= row[name] <= high + 1e-12
    clips = scores["per_clip"]
    assert len({row["clip"] for row in clips}) == len(clips) == 28
    ranks = np.array([row["ranks"] for row in clips], dtype=np.float64)
    assert ranks.shape == (28, 3)
    assert (1 / ranks).mean() == pytest.approx(scores["mean_reciprocal_rank"])
    of_ben = np.array([row["signer"] == "test 2" for row in clips])
    assert (1 / ranks[of_ben]).mean() == pytest.approx(table[2]["mean_reciprocal_rank"])


def test_clips_without_a_signer_are_a_row_of_their_own(tmp_path: Path) -> None:
    clips = of_several_signers()
    clips = [replace(clip, signer=None) if clip.signer == "test 3" else clip for clip in clips]
    scores = evaluate(keypoints(packed(tmp_path / "signs", clips)))
    assert [row["signer"] for row in scores["per_signer"]] == [None, "test 0", "test 1", "test 2"]
    assert [row["clip"][-1] for row in scores["per_clip"] if row["signer"] is None] == ["3"] * 7


def test_each_left_out_signer_has_the_scores_of_their_fold(tmp_path: Path) -> None:
    scores = evaluate(keypoints(packed(tmp_path / "signs", of_several_signers()), folds="each_signer"))
    for row, fold in zip(scores["per_signer"], scores["folds"], strict=True):
        assert row["signer"] == fold["name"]
        assert {name: row[name] for name in scores["intervals"]} == pytest.approx(
            {name: fold[name] for name in scores["intervals"]}
        )


def test_top5_of_few_glosses_is_left_out_everywhere(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "cases" / "top5-few-glosses" / "tiny.npz"
    import_corpus(ImportSpec(name="tiny", source=str(source)), tmp_path, SilentObserver())
    scores = evaluate(keypoints(PackedCorpus.open(tmp_path / "corpus")))
    assert (scores["num_classes"], scores["folds"][0]["num_classes_without_train"]) == (4, 1)
    assert "top5" not in repr(scores)
    (moon,) = [row for row in scores["per_class"] if row["gloss"] == "moon"]
    assert (moon["top1"], moon["mean_reciprocal_rank"]) == (0, 0.25)
