"""Planted leaks are detected: identical clips, shared signers, and evaluations that change the encoder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.augment.views import View
from core.encoders.node_norm import NodeNorm
from core.errors import EncoderMoved, SplitError
from core.evaluation.evaluate import evaluate
from core.evaluation.subject import require_unchanged
from core.exchange.clip_encoder import ClipEncoder
from core.specs.jobs import ClipSelection, EvaluateSpec
from tests.core.evaluation.making import Listener, fresh_encoder, packed, signed_clips


def keypoints(path: Path, **fields: object) -> EvaluateSpec:
    return EvaluateSpec(corpus=str(path), features="keypoints", num_neighbours=3, **fields)


@pytest.mark.parametrize("side", ["train", "val"])
def test_identical_clips_on_two_sides_are_rejected(tmp_path: Path, side: str) -> None:
    clips = signed_clips(["a", "b"], ["train", "val", "test"])
    twin = next(clip for clip in clips if clip.split == side)
    clips.append(replace(twin, name="twin", split="test", signer="signer of test"))
    corpus = packed(tmp_path / "leaking", clips, allow_overlap=True)
    with pytest.raises(SplitError, match=rf"'{side}-a-0' and 'twin' are identical, but one is in {side}"):
        evaluate(keypoints(corpus.path))
    (fold,) = evaluate(keypoints(corpus.path, allow_identical_clips=True))["folds"]
    assert fold["num_test_identical"] == 1


def test_identical_clips_in_two_corpora_are_rejected(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b"], ["train"])
    first = packed(tmp_path / "first", clips)
    second = packed(tmp_path / "second", clips, name="others")
    with pytest.raises(SplitError, match="of fold 'others'"):
        evaluate(keypoints(first.path, test_corpus=str(second.path)))


def test_clips_without_a_signer_are_left_out_as_the_message_says(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b"], ["train", "test"])
    nameless = [replace(clip, signer=None) for clip in signed_clips(["a"], ["train"], seed=1, takes=2)]
    nameless = [replace(clip, name=f"nameless {clip.name}") for clip in nameless]
    corpus = packed(tmp_path / "signs", clips + nameless)
    with pytest.raises(SplitError, match=r"2 clips of 'signs' have no signer; .* --signer 'signer of test'"):
        evaluate(keypoints(corpus.path, folds="each_signer"))
    chosen = ClipSelection(signers=("signer of train", "signer of test"))
    assert len(evaluate(keypoints(corpus.path, folds="each_signer", clips=chosen))["folds"]) == 2


def test_shared_signers_are_logged(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b"], ["train", "test"], signer_of=lambda _: "anna")
    clips += signed_clips(["a", "b"], ["train"], seed=1, signer_of=lambda _: "ben")
    corpus = packed(tmp_path / "signs", clips, allow_overlap=True)
    listener = Listener()
    (fold,) = evaluate(keypoints(corpus.path), observer=listener)["folds"]
    assert fold["shared_signers"] == ["anna"]
    assert listener.said == [
        "Fold test has signers in both train and test (anna), which inflates its scores."
    ]


def test_shared_signers_are_logged_if_the_test_corpus_is_the_same(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b"], ["train", "test"], signer_of=lambda _: "anna")
    corpus = packed(tmp_path / "signs", clips, allow_overlap=True)
    train, test = (ClipSelection(splits=(split,)) for split in ("train", "test"))
    listener = Listener()
    wish = keypoints(corpus.path, clips=train, test_corpus=str(corpus.path), test_clips=test)
    (fold,) = evaluate(wish, observer=listener)["folds"]
    assert fold["shared_signers"] == ["anna"]
    assert "in both train and test (anna)" in listener.said[0]


@pytest.mark.slow
def test_signers_shared_with_val_are_logged(tmp_path: Path) -> None:
    signers = {"train": ("anna", "cleo"), "val": ("ben", "cleo"), "test": ("ben", "dora")}
    clips = [
        replace(clip, signer=signers[str(clip.split)][int(clip.name[-1])])
        for clip in signed_clips(["a", "b"], list(signers), takes=2)
    ]
    corpus = packed(tmp_path / "signs", clips, allow_overlap=True)
    epochs = {"num_epochs": 1, "min_crop_frames": 4}
    encoder = str(fresh_encoder(tmp_path / "encoder"))
    found, said = {}, {}
    for chooses in (True, False):
        listener = Listener()
        wish = EvaluateSpec(
            corpus=str(corpus.path),
            encoder=encoder,
            protocol="fine_tune",
            fine_tune={**epochs, "choose_epoch": chooses},
        )
        (fold,) = evaluate(wish, observer=listener)["folds"]
        found[chooses] = {name: fold[name] for name in fold if name.startswith("shared_signers")}
        said[chooses] = [line for line in listener.said if "epoch" in line]
    assert found[True] == {
        "shared_signers": [],
        "shared_signers_val_test": ["ben"],
        "shared_signers_train_val": ["cleo"],
    }
    assert said[True] == [
        "Fold test has signers in both val, which selects its epoch, and test (ben), "
        "which inflates its scores.",
        "Fold test has signers in both train and val (cleo), which biases the selection of its epoch.",
    ]
    assert (set(map(len, found[False].values())), said[False]) == ({0}, []), "the last epoch: val is no side"


def test_clips_without_signer_names_are_logged(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b"], ["train", "test"])
    listener = Listener()
    nameless = [replace(clip, signer=None) for clip in clips]
    evaluate(keypoints(packed(tmp_path / "nameless", nameless).path), observer=listener)
    assert listener.said == [
        "8 train and 8 test clips of fold test have no signer name, so "
        "signers in both train and test cannot be detected."
    ]
    some = [replace(clip, signer=None) if clip.split == "train" else clip for clip in clips]
    evaluate(keypoints(packed(tmp_path / "some", some).path), observer=listener)
    assert len(listener.said) == 1, "whom the test names is not among nobody"


def test_signers_of_two_corpora_are_not_compared(tmp_path: Path) -> None:
    ours, theirs = (
        packed(tmp_path / name, signed_clips(["a", "b"], ["train"], seed=seed), name=name)
        for seed, name in enumerate(("ours", "theirs"))
    )
    (fold,) = evaluate(keypoints(ours.path, test_corpus=str(theirs.path)))["folds"]
    assert fold["shared_signers"] == []


def test_an_evaluation_that_changes_batch_statistics_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = packed(tmp_path / "signs", signed_clips(["a", "b"], ["train", "test"]))
    spec = EvaluateSpec(corpus=str(corpus.path), encoder=str(fresh_encoder(tmp_path / "encoder")))
    assert evaluate(spec)["num_test"] == 8
    embed: Callable[[ClipEncoder, View], Tensor] = ClipEncoder.embed_view

    def embed_in_training_mode(model: ClipEncoder, view: View) -> Tensor:
        for module in model.modules():
            if isinstance(module, NodeNorm):
                module.train()
        return embed(model, view)

    monkeypatch.setattr(ClipEncoder, "embed_view", embed_in_training_mode)
    with pytest.raises(EncoderMoved, match=r"input_norm\.running_mean.*evaluation mode"):
        evaluate(spec)


def test_require_unchanged_checks_weights_and_statistics() -> None:
    norm = torch.nn.BatchNorm1d(3)
    with require_unchanged(norm.eval()), torch.no_grad():
        norm(torch.randn(5, 3))
    with pytest.raises(EncoderMoved, match="running_mean"), require_unchanged(norm.train()), torch.no_grad():
        norm(torch.randn(5, 3))
    with pytest.raises(EncoderMoved, match="'weight'"), require_unchanged(norm), torch.no_grad():
        norm.weight[0] = 2


def test_a_class_without_test_clips_is_left_out_and_counted(tmp_path: Path) -> None:
    clips = signed_clips(["a", "b"], ["train", "test"]) + signed_clips(["never tested"], ["train"])
    scores = evaluate(keypoints(packed(tmp_path / "signs", clips).path))
    (fold,) = scores["folds"]
    assert (scores["num_classes"], fold["num_classes_without_test"]) == (3, 1)
    tested = [row["top1"] for row in scores["per_class"] if row["num_test"]]
    assert scores["top1_per_class"] == pytest.approx(np.mean(tested))
    untested = {
        "gloss": "never tested",
        "num_test": 0,
        "top1": None,
        "mean_reciprocal_rank": None,
        "dcg": None,
    }
    assert untested in scores["per_class"]
