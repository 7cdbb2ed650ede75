"""Features of every protocol: two corpora, several seeds, classes, confusions, validation."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from core.corpora.packed import PackedCorpus
from core.errors import SplitError
from core.evaluation.evaluate import evaluate
from core.specs.jobs import ClipSelection, EvaluateSpec
from tests.core.evaluation.making import Listener, fresh_encoder, packed, signed_clips

SPLITS = ["train", "val", "test"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return packed(tmp_path_factory.mktemp("corpora") / "signs", signed_clips(["a", "b", "c"], SPLITS))


def spec(corpus: PackedCorpus, **fields: object) -> EvaluateSpec:
    return EvaluateSpec(
        **{"corpus": str(corpus.path), "features": "keypoints", "num_neighbours": 3, **fields}
    )


@pytest.mark.parametrize("protocol", ["knn", "linear", "dictionary", "retrieval"])
def test_transfer_is_scored_on_the_glosses_that_both_corpora_name(
    corpus: PackedCorpus, tmp_path: Path, protocol: str
) -> None:
    clips = signed_clips(["c", "b", "other"], ["train", "test"], seed=5, takes=3)
    others = packed(tmp_path / "others", clips, name="others")
    wish = spec(corpus, protocol=protocol, test_corpus=str(others.path))
    scores = evaluate(wish)
    assert scores["transfer"] == {
        "test_corpus": "others",
        "shared_glosses": ("b", "c"),
        "only_in_corpus": ("a",),
        "only_in_test_corpus": ("other",),
    }
    assert (scores["num_train"], scores["num_test"], scores["num_classes"]) == (16, 12, 2)
    assert scores["recall_at_1" if protocol == "retrieval" else "top1"] == 1, "the signs are the same"
    (fold,) = scores["folds"]
    assert (fold["name"], fold["shared_signers"]) == ("others", [])
    only = ClipSelection(splits=("test",))
    part = evaluate(spec(corpus, protocol=protocol, test_corpus=str(others.path), test_clips=only))
    assert part["num_test"] == 6


def test_corpora_without_a_common_gloss_are_refused(corpus: PackedCorpus, tmp_path: Path) -> None:
    others = packed(tmp_path / "others", signed_clips(["x", "y"], ["train"]), name="others")
    with pytest.raises(SplitError, match=r"'signs' and 'others' share no gloss.*'a', 'b', 'c'.*'x', 'y'"):
        evaluate(spec(corpus, test_corpus=str(others.path)))
    one = packed(tmp_path / "one", signed_clips(["a", "y"], ["train"]), name="one")
    with pytest.raises(SplitError, match="Only gloss 'a' is shared"):
        evaluate(spec(corpus, test_corpus=str(one.path)))


def test_train_on_val(corpus: PackedCorpus) -> None:
    assert evaluate(spec(corpus))["num_train"] == 12
    assert evaluate(spec(corpus, train_on_val=True))["num_train"] == 24


@pytest.mark.parametrize("protocol", ["knn", "linear", "dictionary", "retrieval"])
def test_fewer_labels_are_fewer_train_clips_for_every_protocol(corpus: PackedCorpus, protocol: str) -> None:
    name = "recall_at_1" if protocol == "retrieval" else "top1"
    wish = spec(corpus, protocol=protocol, labels_per_gloss=1, num_seeds=4, seed=7)
    scores = evaluate(wish)
    assert (scores["num_train"], scores["num_test"], scores["seeds"]) == (3, 12, [7, 8, 9, 10])
    (fold,) = scores["folds"]
    each = [of_seed["scores"][name] for of_seed in fold["by_seed"]]
    assert scores[name] == pytest.approx(np.mean(each))
    assert scores["deviations"][name] == pytest.approx(np.std(each, ddof=1))
    assert scores["intervals_over"] == "clips", "of a single signer"
    low, high = scores["intervals"][name]
    assert low <= scores[name] <= high
    assert scores == evaluate(wish)
    assert evaluate(spec(corpus, protocol=protocol, label_fraction=0.5))["num_train"] == 6


def test_a_label_fraction_that_uses_more_is_logged(corpus: PackedCorpus) -> None:
    listener = Listener()
    found = evaluate(spec(corpus, label_fraction=0.1), observer=listener)
    assert (found["num_train"], listener.said) == (
        3,
        [
            "label_fraction 0.1 used 25.0% of the labels, because each gloss keeps at least one clip; set "
            "every_gloss to false (--no-every-gloss) to use exactly that fraction."
        ],
    )
    assert evaluate(spec(corpus, label_fraction=0.5), observer=listener)["num_train"] == 6
    assert len(listener.said) == 1


def test_intervals_are_over_signers_where_there_are_enough(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b"], ["train", "test"], takes=8)
    many = [replace(clip, signer=f"{clip.split} {clip.name[-1]}") for clip in clips]
    scores = evaluate(spec(packed(tmp_path / "many", many)))
    assert scores["intervals_over"] == "signers"


def test_an_untrained_network_is_another_one_for_each_seed(tmp_path: Path) -> None:
    corpus = packed(tmp_path / "noisy", signed_clips(["a", "b", "c"], ["train", "test"], noise=0.5))
    encoder = str(fresh_encoder(tmp_path / "encoder"))
    fields = {"features": "untrained", "encoder": encoder, "protocol": "retrieval"}
    (fold,) = evaluate(spec(corpus, num_seeds=2, **fields))["folds"]
    first, second = (of_seed["scores"]["mean_average_precision"] for of_seed in fold["by_seed"])
    assert first != second
    assert evaluate(spec(corpus, seed=1, **fields))["mean_average_precision"] == second


def test_the_tables_add_up_and_fit_into_json(corpus: PackedCorpus) -> None:
    scores = evaluate(spec(corpus, folds="each_signer", labels_per_gloss=1, num_seeds=3))
    assert [row["num_test"] for row in scores["per_class"]] == [12, 12, 12]
    assert sum(count for _, _, count in scores["confusions"]) == 3 * scores["num_test"]
    right = {true: count for true, taken, count in scores["confusions"] if true == taken}
    for row in scores["per_class"]:
        assert row["top1"] == pytest.approx(right.get(row["gloss"], 0) / 36)
    assert json.loads(json.dumps(scores))["per_class"] == scores["per_class"]
    assert evaluate(spec(corpus, protocol="retrieval"))["confusions"] is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"protocol": "fine_tune"}, "trains a network"),
        ({"label_fraction": 0.5, "labels_per_gloss": 2}, "cannot be combined"),
        ({"num_seeds": 2}, "draws nothing at random"),
        ({"test_corpus": "x", "folds": "each_signer"}, "test_corpus needs folds 'split'"),
        ({"train_on_val": True, "folds": "each_signer"}, "train_on_val needs folds 'split'"),
        ({"test_clips": {"splits": ["test"]}}, "test_clips selects clips of test_corpus"),
        ({"label_fraction": 0.0}, "greater than 0"),
        ({"fine_tune": {"milestones": [70, 50]}}, "must be in ascending order"),
    ],
)
def test_an_inconsistent_specification_is_rejected(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        EvaluateSpec.model_validate({"corpus": "any", "features": "keypoints", **fields})
