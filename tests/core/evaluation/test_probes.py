"""Probes and scores against closed forms; invalid evaluations are rejected."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.errors import SpecError, SplitError, Stopped
from core.evaluation.accuracy import rank_classes
from core.evaluation.evaluate import evaluate
from core.evaluation.linear_probe import _fitted, linear_scores
from core.evaluation.outcome import scores_of
from core.evaluation.probes import classification_outcome
from core.exchange.weights import load_encoder, save_encoder
from core.search.knn import knn_scores
from core.specs.jobs import ClipSelection, EvaluateSpec, PretrainSpec
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.evaluation.making import Listener, packed
from tests.core.small import OVERRIDES
from tests.core.training.stopping import StopsIn


@given(st.integers(1, 40), st.integers(2, 9), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_accuracy_is_counting(clips: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, labels = random.random((clips, classes)), random.integers(0, classes, clips)
    by_hand = np.argsort(-scores, axis=1)
    found = classification_outcome(scores, labels, trained=np.arange(classes))
    ours = scores_of(found.per_clip, labels)
    assert [k for k in range(1, 30) if f"top{k}" in ours] == [k for k in (1, 5, 10, 20) if k < classes]
    for k in (k for k in (1, 5) if k < classes):
        hits = [label in row[:k] for row, label in zip(by_hand, labels, strict=True)]
        assert ours[f"top{k}"] == pytest.approx(np.mean(hits))
        means = [np.mean(np.array(hits)[labels == c]) for c in range(classes) if (labels == c).any()]
        assert ours[f"top{k}_per_class"] == pytest.approx(np.mean(means))
    assert found.predicted is not None
    assert np.array_equal(found.predicted, by_hand[:, 0])


def test_constant_scores_count_as_errors() -> None:
    labels = np.array([0, 1, 2, 0])
    found = rank_classes(np.zeros((4, 3)), labels)
    assert not found.top1.any()
    assert (found.predicted != labels).all(), "nor is it counted as right among the confusions"


def test_nan_scores_count_as_errors() -> None:
    scores = np.array([[np.nan, np.nan], [np.nan, 1.0], [0.0, 1.0]])
    assert rank_classes(scores, np.array([0, 0, 1])).top1.tolist() == [False, False, True]


def test_a_low_temperature_selects_the_nearest_neighbour() -> None:
    train, labels = torch.randn(40, 300, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 4
    votes = knn_scores(train, labels, train + 0.5, num_classes=4, num_neighbours=5, temperature=1e-3)
    assert (votes.argmax(dim=1) == labels).all()


def test_the_linear_probe_ignores_constant_features() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    train = torch.randn(60, 4, generator=generator) + 3.0 * torch.nn.functional.one_hot(labels, 4)
    test = torch.cat([train, 0.37 + torch.randn(60, 1, generator=generator)], dim=1)
    train = torch.cat([train, torch.full((60, 1), 0.37)], dim=1)
    scores = linear_scores(train, labels, test, num_classes=3, l2_penalty=1e-3)
    assert (scores.argmax(dim=1) == labels).float().mean() > 0.9
    alone = linear_scores(train[:1], labels[:1], test, num_classes=3, l2_penalty=1e-3)
    assert torch.isfinite(alone).all()


def test_knn_votes_are_weighted_by_similarity() -> None:
    train = torch.tensor([[1.0, 0], [0, 1], [0, 1], [-1, -2]])
    labels, test = torch.tensor([0, 1, 1, 2]), torch.tensor([[0.9, 0.3]])
    votes = knn_scores(train, labels, test, num_classes=3, num_neighbours=3, temperature=0.07)
    assert votes.argmax().item() == 0, "one near neighbour outweighs two far ones"
    assert (votes[0] > 0).sum() == 2, "the fourth clip is no neighbour"


def test_knn_with_fewer_clips_than_neighbours() -> None:
    train, labels = torch.eye(3), torch.arange(3)
    votes = knn_scores(train, labels, train, num_classes=3, num_neighbours=50, temperature=0.07)
    assert votes.argmax(dim=1).tolist() == [0, 1, 2]


def test_the_linear_probe_reaches_the_optimum() -> None:
    torch.manual_seed(0)
    labels = torch.arange(90) % 3
    features = torch.randn(90, 5) + torch.nn.functional.one_hot(labels, 5) * 4.0
    scores = linear_scores(features, labels, features, num_classes=3, l2_penalty=1e-3)
    again = linear_scores(features, labels, features, num_classes=3, l2_penalty=1e-3)
    assert torch.equal(scores, again)
    assert (scores.argmax(dim=1) == labels).float().mean() > 0.97
    probe = _fitted(features, labels, num_classes=3, l2_penalty=1e-3)
    fit = torch.nn.functional.cross_entropy(probe(features), labels)
    (fit + 1e-3 / 2 * probe.weight.square().sum()).backward()
    assert max(float(p.grad.abs().max()) for p in probe.parameters() if p.grad is not None) < 1e-4
    constant = linear_scores(torch.ones(90, 2), labels, torch.ones(4, 2), num_classes=3, l2_penalty=1e-3)
    torch.testing.assert_close(constant.softmax(1), torch.full((4, 3), 1 / 3), atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return random_corpus(tmp_path_factory.mktemp("corpora") / "random", clips=36)


@pytest.fixture(scope="module")
def encoder(corpus: PackedCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES), out)
    return out / "encoder"


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["knn", "linear", "dictionary", "retrieval"])
@pytest.mark.parametrize("features", ["keypoints", "untrained", "encoder"])
def test_each_protocol_on_each_kind_of_features(
    corpus: PackedCorpus, encoder: Path, protocol: str, features: str
) -> None:
    spec = EvaluateSpec(
        corpus=str(corpus.path), encoder=str(encoder), protocol=protocol, features=features, num_neighbours=3
    )
    scores = evaluate(spec)
    assert scores == evaluate(spec), "an evaluation draws nothing but the untrained network, by seed"
    assert (scores["num_train"], scores["num_test"], scores["num_classes"]) == (24, 12, 4)
    assert scores["recall_at_1" if protocol == "retrieval" else "top1"] > 0.5
    (fold,) = scores["folds"]
    assert (fold["shared_signers"], fold["num_test_pretrained_on"]) == ([], 0)


@pytest.mark.parametrize("protocol", ["knn", "dictionary", "retrieval"])
def test_a_search_stops_when_asked(corpus: PackedCorpus, protocol: str) -> None:
    spec = EvaluateSpec(corpus=str(corpus.path), features="keypoints", protocol=protocol, num_neighbours=3)
    with pytest.raises(Stopped, match="while probing"):
        evaluate(spec, observer=StopsIn("probing"))


def test_each_signer_is_left_out_in_turn(corpus: PackedCorpus) -> None:
    spec = EvaluateSpec(corpus=str(corpus.path), features="keypoints", folds="each_signer", num_neighbours=3)
    scores = evaluate(spec)
    assert [fold["name"] for fold in scores["folds"]] == ["signer-0", "signer-1", "signer-2"]
    assert scores["num_test"] == len(corpus)
    assert scores["top1"] == pytest.approx(np.mean([fold["top1"] for fold in scores["folds"]]))


def test_retrieval_metrics_are_reported(corpus: PackedCorpus) -> None:
    spec = EvaluateSpec(
        corpus=str(corpus.path), features="keypoints", protocol="retrieval", folds="each_signer"
    )
    scores = evaluate(spec)
    names = (
        *(f"recall_at_{k}" for k in (1, 5, 10, 20)),
        "mean_average_precision",
        "mean_reciprocal_rank",
    )
    for name in names:
        assert scores[name] == pytest.approx(np.mean([fold[name] for fold in scores["folds"]]))
    assert scores["recall_at_1"] <= scores["recall_at_5"] <= scores["recall_at_10"] <= 1
    assert [fold["num_test_without_relevant"] for fold in scores["folds"]] == [0, 0, 0]
    assert "top1" not in scores


def test_no_labels_no_test_and_no_groups_are_refused(corpus: PackedCorpus, tmp_path: Path) -> None:
    unlabelled = random_corpus(tmp_path / "unlabelled", labelled=False)
    with pytest.raises(SplitError, match="No labelled clip"):
        evaluate(EvaluateSpec(corpus=str(unlabelled.path), features="keypoints"))
    only_train = ClipSelection(splits=("train",))
    with pytest.raises(SplitError, match=r"0 test clips"):
        evaluate(EvaluateSpec(corpus=str(corpus.path), features="keypoints", clips=only_train))
    one_signer = ClipSelection(signers=("signer-0",))
    with pytest.raises(SplitError, match="two or more signers; the selected clips of corpus 'random' have 1"):
        evaluate(
            EvaluateSpec(corpus=str(corpus.path), features="keypoints", clips=one_signer, folds="each_signer")
        )
    nobody = ClipSelection(signers=("nobody",))
    with pytest.raises(SpecError, match=r"has no 'nobody'\. It has 'signer-0'"):
        evaluate(EvaluateSpec(corpus=str(corpus.path), features="keypoints", clips=nobody))


@pytest.fixture(scope="module")
def again(corpus: PackedCorpus, tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    """The same recordings as another import: other names and splits."""
    clips = [
        SourceClip(
            corpus.clip(index),
            f"again-{index}",
            corpus.label_names[corpus.labels[index]],
            corpus.signer_names[corpus.signers[index]],
            split="test" if corpus.signers[index] < 2 else "train",
        )
        for index in reversed(range(len(corpus)))
    ]
    return packed(tmp_path_factory.mktemp("again") / "corpus", clips, name="again")


@pytest.mark.slow
def test_pretrained_test_clips_are_counted_and_logged(
    corpus: PackedCorpus, again: PackedCorpus, encoder: Path
) -> None:
    for tested in (corpus, again):
        wish = EvaluateSpec(
            corpus=str(tested.path), encoder=str(encoder), folds="each_signer", num_neighbours=3
        )
        listener = Listener()
        folds = evaluate(wish, observer=listener)["folds"]
        assert [fold["num_test_pretrained_on"] for fold in folds] == [12, 12, 0], (
            "signer-2 was the test split"
        )
        assert [fold["pretrained_signers"] for fold in folds] == [["signer-0"], ["signer-1"], []]
        (said,) = listener.said
        assert "only fold signer-2 tests clips that the encoder has not seen" in said
    listener = Listener()
    wish = EvaluateSpec(corpus=str(again.path), encoder=str(encoder), num_neighbours=3)
    (fold,) = evaluate(wish, observer=listener)["folds"]
    assert (fold["num_test"], fold["num_test_pretrained_on"]) == (24, 24)
    assert listener.said[0].endswith("on test clips of fold test; this holds for every fold.")


@pytest.mark.slow
def test_pretrained_test_signers_are_named(corpus: PackedCorpus, tmp_path: Path) -> None:
    seen, others = corpus.label_names[:2], corpus.label_names[2:]
    spec = PretrainSpec(
        corpus=str(corpus.path),
        recipe="smoke",
        overrides=OVERRIDES,
        clips=ClipSelection(exclude_labels=others, exclude_signers=("signer-2",)),
    )
    pretrain(spec, tmp_path)
    listener = Listener()
    wish = EvaluateSpec(
        corpus=str(corpus.path),
        encoder=str(tmp_path / "encoder"),
        folds="each_signer",
        num_neighbours=3,
        clips=ClipSelection(exclude_labels=seen),
    )
    folds = evaluate(wish, observer=listener)["folds"]
    assert [fold["num_test_pretrained_on"] for fold in folds] == [0, 0, 0]
    assert [fold["pretrained_signers"] for fold in folds] == [["signer-0"], ["signer-1"], []]
    assert [said.partition(" other clips of ")[2].partition(";")[0] for said in listener.said] == [
        "signer-0",
        "signer-1",
    ]


@pytest.mark.slow
def test_a_file_without_digests_recognises_only_its_own_corpus(
    corpus: PackedCorpus, again: PackedCorpus, encoder: Path, tmp_path: Path
) -> None:
    loaded = load_encoder(encoder)
    save_encoder(tmp_path / "old", loaded.model, loaded.card.model_copy(update={"format_version": 1}))
    counts, listener = {}, Listener()
    for tested in (corpus, again):
        wish = EvaluateSpec(corpus=str(tested.path), encoder=str(tmp_path / "old"), num_neighbours=3)
        (fold,) = evaluate(wish, observer=listener)["folds"]
        counts[tested.name] = fold["num_test_pretrained_on"]
    assert counts == {"random": 0, "again": None}, "not 0, which would say that it is known"
    (said,) = listener.said
    assert said.startswith("Encoder 'encoder' was pretrained on another corpus, 'random'")
    assert said.endswith("it is unknown whether it was pretrained on these test clips.")


def test_a_single_gloss_is_rejected(corpus: PackedCorpus) -> None:
    one = ClipSelection(exclude_labels=("sign-1", "sign-2", "sign-3"))
    with pytest.raises(SplitError, match="Only gloss 'sign-0'"):
        evaluate(EvaluateSpec(corpus=str(corpus.path), features="keypoints", clips=one))
