"""Caveats of scores, from real evaluations."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.corpora.packed import PackedCorpus
from core.evaluation.evaluate import evaluate
from core.specs.jobs import ClipSelection, EvaluateSpec, PretrainSpec
from core.training.pretrain import pretrain
from signforge.commands.printing.caveats import caveats
from tests.core.corpus_maker import random_corpus
from tests.core.evaluation.making import packed, signed_clips
from tests.core.small import OVERRIDES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return random_corpus(tmp_path_factory.mktemp("corpus") / "corpus", clips=36)


@pytest.fixture(scope="module")
def encoder(corpus: PackedCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pretrained on two glosses of the first two people."""
    clips = ClipSelection(splits=("train",), exclude_labels=corpus.label_names[2:])
    out = tmp_path_factory.mktemp("run")
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES, clips=clips), out)
    return out / "encoder"


def told(corpus: PackedCorpus, **fields: object) -> list[str]:
    """The caveats, without the one of perfect scores, which such small corpora often have."""
    return [line for line in everything_told(corpus, **fields) if "no width" not in line]


def everything_told(corpus: PackedCorpus, **fields: object) -> list[str]:
    spec = {"corpus": str(corpus.path), "features": "keypoints", "num_neighbours": 1, **fields}
    return list(caveats(evaluate(EvaluateSpec.model_validate(spec))))


def test_scores_that_are_what_they_seem_have_none(corpus: PackedCorpus, encoder: Path) -> None:
    assert told(corpus) == []
    assert told(corpus, features="encoder", encoder=str(encoder)) == []


def test_what_an_encoder_has_seen_is_told_by_fold(corpus: PackedCorpus, encoder: Path) -> None:
    asked = {"features": "encoder", "encoder": str(encoder), "folds": "each_signer"}
    assert told(corpus, **asked) == [
        "The encoder was pretrained (without labels) on 12 of the test clips of folds signer-0, signer-1."
    ]
    (line,) = told(corpus, **asked, clips={"exclude_labels": corpus.label_names[:2]})
    assert line.endswith("on other clips of the test signers of folds signer-0, signer-1.")


def test_people_and_clips_on_two_sides_are_told(corpus: PackedCorpus) -> None:
    lines = told(corpus, test_corpus=str(corpus.path), allow_identical_clips=True)
    assert lines == [
        "Training and test share signers in fold random.",
        "36 test clips are identical to training clips.",
    ]


def without_signers(folder: Path) -> PackedCorpus:
    clips = signed_clips(["a", "b"], ["train", "test"], takes=3)
    return packed(folder / "corpus", [replace(clip, signer=None) for clip in clips])


@pytest.mark.parametrize("protocol", ["knn", "dictionary", "retrieval"])
def test_clips_without_signers_are_told(tmp_path: Path, protocol: str) -> None:
    assert told(without_signers(tmp_path), protocol=protocol) == [
        "6 training and 6 test clips of fold test have no signer name, so it is unknown whether training and "
        "test share signers."
    ]


def test_a_perfect_score_has_a_bound(tmp_path: Path) -> None:
    glosses = ["a", "b", "c", "d", "e"]
    corpus = packed(tmp_path / "corpus", signed_clips(glosses, ["train", "test"], noise=0.001))
    assert everything_told(corpus) == [
        "All 20 test clips are right (top1), so the interval has no width. The true error may be up to 0.15 "
        "(rule of three, if clips were independent)."
    ]


def test_labels_that_are_not_there_are_told(corpus: PackedCorpus) -> None:
    (line,) = told(corpus, labels_per_gloss=7)
    assert line == "Up to 4 glosses of a fold have fewer labels than requested."
    (line,) = told(corpus, label_fraction=0.1, every_gloss=False, seed=0)
    assert line.startswith("In fold test, ")
    assert "--exclude-label" not in line, "they have training clips, which were not drawn"


def test_test_clips_that_cannot_be_right_are_told_by_fold(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b", "tea time", "d"], ["train", "test"], takes=3)
    clips = [clip for clip in clips if clip.label not in ("tea time", "d") or clip.split == "test"]
    corpus = packed(tmp_path / "corpus", clips)
    (line, *_) = told(corpus)
    assert line == (
        "In fold test, 6 of 12 test clips have a gloss without training clips. They count as wrong, so at "
        "most 0.500 of that fold can be right. Leave them out with --exclude-label d --exclude-label "
        "'tea time'."
    )
    spec = EvaluateSpec(corpus=str(corpus.path), features="keypoints", num_neighbours=1)
    assert evaluate(spec)["top1"] <= 0.5
    assert told(corpus, clips={"exclude_labels": ["d", "tea time"]}) == []
    lines = told(corpus, folds="each_signer")
    assert any("test clips have a gloss without training clips." in line for line in lines)


def test_glosses_that_two_corpora_do_not_share_are_told(corpus: PackedCorpus, tmp_path: Path) -> None:
    other = random_corpus(tmp_path / "corpus", labels=6, seed=1)
    lines = told(corpus, test_corpus=str(other.path))
    assert lines == [
        "Scored on the 4 glosses that both corpora share by name. Left out: 0 glosses of the training corpus "
        "and 2 of the test corpus."
    ]
