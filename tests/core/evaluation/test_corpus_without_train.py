"""A corpus with only a test split can be a test corpus, but training on it is rejected."""

from pathlib import Path

import pytest

from core.corpora.packed import PackedCorpus
from core.errors import SpecError, SplitError
from core.evaluation.evaluate import evaluate
from core.evaluation.leak_audit.run import leak_audit
from core.specs.jobs import EvaluateSpec, LeakAuditSpec, PretrainSpec
from core.training.pretrain import pretrain
from tests.core.evaluation.making import packed, signed_clips

GLOSSES = ("coffee", "tea")


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return packed(
        tmp_path_factory.mktemp("tested") / "tested", signed_clips(GLOSSES, ["test"]), name="tested"
    )


def test_it_can_be_the_test_corpus(tested: PackedCorpus, tmp_path: Path) -> None:
    other = packed(tmp_path / "fitted", signed_clips(GLOSSES, ["train"], seed=1), name="fitted")
    scores = evaluate(
        EvaluateSpec(corpus=str(other.path), features="keypoints", test_corpus=str(tested.path))
    )
    assert scores["folds"][0]["num_test"] == len(tested) == tested.split_counts["test"]


def test_training_on_it_is_rejected(tested: PackedCorpus, tmp_path: Path) -> None:
    there_are = r"splits are 'train' \(0 clips\), 'test' \(8 clips\)"
    with pytest.raises(SpecError, match=f"`clips` selects no clip of corpus 'tested'. Its {there_are}"):
        pretrain(PretrainSpec(corpus=str(tested.path), recipe="smoke"), tmp_path)
    advice = r"a random split \(--split-by random\), or fit on another corpus .*\(--test-corpus\)"
    with pytest.raises(SplitError, match=f"0 train and 8 test clips; .*{there_are}.*{advice}"):
        evaluate(EvaluateSpec(corpus=str(tested.path), features="keypoints"))
    with pytest.raises(SplitError, match=r"all in split 'test', but a leak audit.* Set folds to 'random'"):
        leak_audit(LeakAuditSpec(corpus=str(tested.path)))
