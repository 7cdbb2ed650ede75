"""Fine-tuning: learns, is reproducible, resumes after a stop, and does not depend on test labels."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from core.corpora.packed import PackedCorpus
from core.errors import CheckpointError, DivergedError, Stopped
from core.evaluation.evaluate import evaluate
from core.evaluation.fine_tune import checkpoint
from core.evaluation.fine_tune.classifier import SignClassifier, merged_scores, training_loss
from core.evaluation.fine_tune.run import FineTuning
from core.evaluation.outcome import Outcome
from core.evaluation.subject import digests_of
from core.exchange.weights import load_encoder
from core.program.observer import SilentObserver
from core.specs.fine_tuning import FineTuneConfig
from core.specs.jobs import ClipSelection, EvaluateSpec
from core.specs.views import ViewConfig
from core.training.checkpoint import checkpoints_in, step_of
from tests.core.evaluation.making import fresh_encoder, packed, relabelled, signed_clips
from tests.core.training.stopping import StopsIn

pytestmark = pytest.mark.slow

QUICK = {"num_epochs": 2, "batch_size": 3, "learning_rate": 0.05, "min_crop_frames": 4}
GLOSSES, SPLITS = ["a", "b", "c"], ["train", "val", "test"]


class Metrics(SilentObserver):
    """Keeps the numbers of each step, and what is said."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []
        self.logs: list[str] = []

    def on_log(self, message: str) -> None:
        self.logs.append(message)

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        if metrics:
            self.seen.append({"step": step, **metrics})

    def named(self, name: str) -> list[float]:
        return [each[name] for each in self.seen if name in each]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh_encoder(tmp_path_factory.mktemp("encoders") / "fresh")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return packed(tmp_path_factory.mktemp("corpora") / "tiny", signed_clips(GLOSSES, SPLITS, takes=2))


def spec(
    corpus: PackedCorpus, encoder: Path, *, fine_tune: dict[str, Any] = QUICK, **fields: Any
) -> EvaluateSpec:
    every = {"corpus": str(corpus.path), "encoder": str(encoder), "protocol": "fine_tune", **fields}
    return EvaluateSpec(fine_tune=FineTuneConfig(**fine_tune), **every)


def test_it_learns_an_easy_task_in_two_epochs(tmp_path: Path) -> None:
    encoder = fresh_encoder(tmp_path / "smoke", {})
    before = (encoder / "encoder.safetensors").read_bytes()
    corpus = packed(tmp_path / "signs", signed_clips(GLOSSES, ["train", "test"], takes=12))
    config = {"num_epochs": 2, "batch_size": 2, "min_crop_frames": 4}
    observer = Metrics()
    scores = evaluate(spec(corpus, encoder, fine_tune=config), observer=observer)
    assert scores["top1"] > 0.6, "chance is a third"
    assert observer.named("loss")[0] > 2 * observer.named("loss")[-1]
    assert (scores["num_train"], scores["num_test"]) == (36, 36)
    assert (encoder / "encoder.safetensors").read_bytes() == before


@pytest.fixture(scope="module")
def undisturbed(tiny: PackedCorpus, encoder: Path) -> dict[str, Any]:
    """Two seeds of 4 steps each."""
    return evaluate(spec(tiny, encoder, num_seeds=2))


def test_the_same_seed_is_the_same_network_and_another_is_not(
    tiny: PackedCorpus, encoder: Path, undisturbed: dict[str, Any]
) -> None:
    first, second = undisturbed["folds"][0]["by_seed"]
    assert first["train_loss"] != second["train_loss"]
    assert evaluate(spec(tiny, encoder, seed=1))["folds"][0]["by_seed"] == [second]


def test_training_from_scratch_depends_on_the_seed(
    tiny: PackedCorpus, encoder: Path, undisturbed: dict[str, Any]
) -> None:
    observer = Metrics()
    scratch = evaluate(spec(tiny, encoder, features="untrained", num_seeds=2), observer=observer)
    first, second = scratch["folds"][0]["by_seed"]
    losses = {first["train_loss"], second["train_loss"]}
    assert len(losses | {each["train_loss"] for each in undisturbed["folds"][0]["by_seed"]}) == 4
    assert observer.named("loss")[0] > observer.named("loss")[1]


def test_the_epoch_is_the_best_on_val_and_without_val_the_last(tiny: PackedCorpus, encoder: Path) -> None:
    config = {**QUICK, "num_epochs": 3}
    observer = Metrics()
    (fold,) = evaluate(spec(tiny, encoder, fine_tune=config), observer=observer)["folds"]
    judged = list(zip(observer.named("val_top1"), observer.named("val_loss"), strict=True))
    best = max(range(3), key=lambda epoch: (judged[epoch][0], -judged[epoch][1]))
    (of_seed,) = fold["by_seed"]
    assert (of_seed["epoch"], of_seed["val_top1"]) == (best + 1, judged[best][0])
    for fields in ({"train_on_val": True}, {"fine_tune": {**QUICK, "num_epochs": 2, "choose_epoch": False}}):
        (fold,) = evaluate(spec(tiny, encoder, **fields))["folds"]
        assert fold["by_seed"][0]["epoch"] == 2
        assert "val_top1" not in fold["by_seed"][0]


def test_other_test_labels_change_neither_the_epoch_nor_the_network(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    choose = FineTuning.choose

    def remember(run: FineTuning) -> int:
        epoch = choose(run)
        assert run.best is not None
        chosen.append((epoch, run.best.facts(), digests_of(run.model)))
        return epoch

    monkeypatch.setattr(FineTuning, "choose", remember)
    clips = signed_clips(GLOSSES, SPLITS, takes=2)
    evaluate(spec(packed(tmp_path / "true", clips), encoder))
    evaluate(spec(packed(tmp_path / "false", relabelled(clips, "test")), encoder))
    assert chosen[0] == chosen[1]
    evaluate(spec(packed(tmp_path / "val", relabelled(clips, "val")), encoder))
    assert chosen[2] != chosen[0], "the validation labels do count"


def test_resume_gives_the_same_result(
    tiny: PackedCorpus, encoder: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    wish, newest = spec(tiny, encoder, num_seeds=2), None
    for step in (1, 4, 7, 8):  # within an epoch, between the runs, within the second, before its last scoring
        with pytest.raises(Stopped, match=r"of 8; a checkpoint is saved"):
            evaluate(wish, observer=StopsIn("fine-tuning", step), out=tmp_path, resume=newest)
        newest = checkpoints_in(tmp_path / "checkpoints")[0]
        assert step_of(newest) == step
    again = evaluate(wish, out=tmp_path, resume=newest)
    assert json.dumps(again) == json.dumps(undisturbed), "to the byte, the order of names included"


def test_resume_from_an_earlier_version_has_the_scores_that_it_kept(
    tiny: PackedCorpus,
    encoder: Path,
    tmp_path: Path,
    undisturbed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def packed_before(outcome: Outcome) -> list[tuple[str, torch.Tensor]]:
        """As version 0.2.0 did: no ranks, and top-5 of three glosses."""
        assert outcome.predicted is not None
        top1 = torch.from_numpy(outcome.per_clip["top1"])
        return [("top1", top1), ("top5", top1 * 0 + 1), ("predicted", torch.from_numpy(outcome.predicted))]

    wish, listening = spec(tiny, encoder, num_seeds=2), Metrics()
    with monkeypatch.context() as earlier:
        earlier.setattr(checkpoint, "_packed", packed_before)
        with pytest.raises(Stopped):
            evaluate(wish, observer=StopsIn("fine-tuning", 6), out=tmp_path)
    newest = checkpoints_in(tmp_path / "checkpoints")[0]
    again = evaluate(wish, observer=listening, resume=newest)
    assert again["intervals"] == {name: undisturbed["intervals"][name] for name in ("top1", "top1_per_class")}
    assert again["top1"] == undisturbed["top1"]
    assert again["confusions"] == undisturbed["confusions"]
    assert again["per_clip"] is None
    assert listening.logs[-1].startswith("The checkpoint is of an earlier version, which kept no ranks")


def test_resume_with_another_test_corpus(tiny: PackedCorpus, encoder: Path, tmp_path: Path) -> None:
    other = packed(tmp_path / "other", signed_clips(GLOSSES, ["train", "test"], seed=3), name="other")
    some = ClipSelection(splits=("test",))
    wish = spec(tiny, encoder, test_corpus=str(other.path), test_clips=some)
    with pytest.raises(Stopped):
        evaluate(wish, observer=StopsIn("fine-tuning", 2), out=tmp_path)
    (saved,) = checkpoints_in(tmp_path / "checkpoints")
    different = r"spec\.test_clips\.splits is \['test'\] in the checkpoint and \[\] here"
    with pytest.raises(CheckpointError, match=different):
        evaluate(wish.model_copy(update={"test_clips": ClipSelection()}), resume=saved)
    assert evaluate(wish, resume=saved) == evaluate(wish)


def test_resume_with_other_settings_is_logged(tiny: PackedCorpus, encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        evaluate(spec(tiny, encoder), observer=StopsIn("fine-tuning", 2), out=tmp_path)
    (saved,) = checkpoints_in(tmp_path / "checkpoints")
    same, other = Metrics(), Metrics()
    evaluate(spec(tiny, encoder), observer=same, resume=saved)
    assert same.logs == ["Resuming from step 2."]
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        evaluate(spec(tiny, encoder), observer=other, resume=saved)
    finally:
        torch.set_num_threads(threads)
    assert other.logs[0] == "Resuming from step 2."
    assert f"'num_threads': {threads}, " in other.logs[1].partition("but this run has")[0]
    assert f"'num_threads': {threads + 1}, " in other.logs[1].partition("but this run has")[2]


def test_val_labels_are_counted(tiny: PackedCorpus, encoder: Path) -> None:
    config = {**QUICK, "num_epochs": 1}
    (fold,) = evaluate(spec(tiny, encoder, labels_per_gloss=1, fine_tune=config))["folds"]
    assert (fold["num_train"], fold["num_val"], fold["by_seed"][0]["num_val"]) == (3, 3, 3)
    config["choose_epoch"] = False
    (fold,) = evaluate(spec(tiny, encoder, labels_per_gloss=1, fine_tune=config))["folds"]
    assert (fold["num_train"], fold["num_val"]) == (3, 0)


def test_a_checkpoint_of_another_evaluation_is_refused(
    tiny: PackedCorpus, encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        evaluate(spec(tiny, encoder), observer=StopsIn("fine-tuning", 2), out=tmp_path)
    (saved,) = checkpoints_in(tmp_path / "checkpoints")
    with pytest.raises(CheckpointError, match=r"spec\.seed is 0 in the checkpoint and 1 here"):
        evaluate(spec(tiny, encoder, seed=1), resume=saved)
    with pytest.raises(Stopped, match="nothing was written"):
        evaluate(spec(tiny, encoder), observer=StopsIn("fine-tuning", 2))


def test_each_fold_starts_from_the_encoder_and_transfer_works(tmp_path: Path, encoder: Path) -> None:
    corpus = packed(tmp_path / "signs", signed_clips(["a", "b"], ["train", "test"], takes=3))
    one_epoch = {**QUICK, "num_epochs": 1}
    scores = evaluate(spec(corpus, encoder, folds="each_signer", fine_tune=one_epoch))
    assert [fold["num_test"] for fold in scores["folds"]] == [6, 6]
    again = packed(tmp_path / "again", signed_clips(["b", "c", "a"], ["train"], seed=3), name="again")
    moved = evaluate(spec(corpus, encoder, test_corpus=str(again.path), fine_tune=one_epoch))
    assert (moved["num_train"], moved["num_test"], moved["num_classes"]) == (12, 8, 2)
    assert moved["folds"][0]["by_seed"][0]["epoch"] == 1


def test_learning_rate_milestones_and_divergence(tiny: PackedCorpus, encoder: Path) -> None:
    observer = Metrics()
    config = {**QUICK, "num_epochs": 3, "milestones": (1, 2)}
    evaluate(spec(tiny, encoder, fine_tune=config), observer=observer)
    rates = dict.fromkeys(observer.named("learning_rate"))
    assert list(rates) == pytest.approx([0.05, 0.005, 0.0005])
    with pytest.raises(DivergedError, match="lower fine_tune"):
        evaluate(spec(tiny, encoder, fine_tune={**QUICK, "learning_rate": 1e30}))


def test_classifier_initialisation_and_selected_streams(encoder: Path) -> None:
    start = load_encoder(encoder).model
    both = SignClassifier(start, num_classes=500, wanted="all", seed=0)
    assert list(both.streams) == ["joint", "motion"]
    for layer in both.classifiers.values():
        assert float(layer.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
        assert not layer.bias.any()
    alone = SignClassifier(start, num_classes=5, wanted="motion", seed=0)
    assert list(alone.streams) == ["motion"]
    assert digests_of(alone.streams["motion"]) == digests_of(start.streams["motion"])


def test_streams_are_merged_as_configured() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = {name: torch.randn(6, 4, generator=generator) for name in ("joint", "motion")}
    labels = torch.arange(6) % 4
    mean, entropy = (logits["joint"] + logits["motion"]) / 2, torch.nn.functional.cross_entropy
    torch.testing.assert_close(training_loss(logits, labels, merge="mean_of_logits"), entropy(mean, labels))
    torch.testing.assert_close(merged_scores(logits, merge="mean_of_logits"), mean)
    own = entropy(logits["joint"], labels) + entropy(logits["motion"], labels)
    torch.testing.assert_close(training_loss(logits, labels, merge="sum_of_predictions"), own)
    summed = merged_scores(logits, merge="sum_of_predictions")
    torch.testing.assert_close(summed, logits["joint"].softmax(1) + logits["motion"].softmax(1))


@pytest.mark.parametrize("streams", ["joint", "motion"])
def test_the_paper_variant_and_one_stream_run(tiny: PackedCorpus, encoder: Path, streams: str) -> None:
    config = {**QUICK, "num_epochs": 1, "merge": "sum_of_predictions", "streams": streams}
    assert 0 <= evaluate(spec(tiny, encoder, fine_tune=config))["top1"] <= 1


def test_the_defaults_are_the_published_protocol() -> None:
    config = FineTuneConfig()
    assert (config.learning_rate, config.sgd_momentum, config.weight_decay) == (0.01, 0.9, 0)
    assert (config.batch_size, config.num_epochs, config.milestones, config.decay) == (64, 80, (50, 70), 0.1)
    assert (config.streams, config.merge) == ("all", "mean_of_logits")
    views = config.views(ViewConfig(trunk_scale_range=0.3, trunk_shift_range=0.2))
    assert (views.crop_fraction_min, views.crop_fraction_max, views.min_crop_frames) == (0.5, 1, 64)
    assert (views.spatial_probability, views.hand_swap_probability) == (0, 0.5)
    assert (views.trunk_scale_range, views.trunk_shift_range, views.num_frames) == (0, 0, 64)
