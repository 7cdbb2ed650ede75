"""Monitoring changes nothing in a run, scores held-out clips, and detects collapse."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from core.corpora.packed import PackedCorpus
from core.program.observer import SilentObserver
from core.specs.jobs import ClipSelection, PretrainSpec
from core.training import monitoring
from core.training.held_out import NUM_GLOSSES, HeldOut
from core.training.pretrain import Pretraining, pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES

pytestmark = pytest.mark.slow


class Listening(SilentObserver):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.metrics: dict[int, Mapping[str, float]] = {}
        self.logs: list[str] = []

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        self.metrics[step] = metrics

    def on_log(self, message: str) -> None:
        self.logs.append(message)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return random_corpus(tmp_path_factory.mktemp("corpora") / "random", clips=36)


def spec_for(
    corpus: PackedCorpus, *, optimiser: Mapping[str, object] | None = None, **run: object
) -> PretrainSpec:
    overrides = {
        **OVERRIDES,
        "optimiser": {**OVERRIDES["optimiser"], **(optimiser or {})},
        "run": {**OVERRIDES["run"], **run},
    }
    return PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=overrides)


def test_a_run_ends_with_the_same_bytes_whether_it_is_watched_or_not(
    corpus: PackedCorpus, tmp_path: Path
) -> None:
    """Dropout, batch statistics and the views of later steps included."""
    ends = {}
    for every in (1, None):
        result = pretrain(spec_for(corpus, monitor_every_steps=every), tmp_path / str(every))
        newest = max((tmp_path / str(every) / "checkpoints").iterdir())
        files = ("model.safetensors", "optimiser.safetensors")
        ends[every] = [hashlib.sha256((newest / file).read_bytes()).hexdigest() for file in files]
        assert ("quality" in result) == (every is not None)
    assert ends[1] == ends[None]


def test_a_measurement_changes_no_tensor_and_no_generator(corpus: PackedCorpus, tmp_path: Path) -> None:
    run = Pretraining(spec_for(corpus), tmp_path, SilentObserver())
    assert run.monitor is not None
    before = {name: tensor.clone() for name, tensor in run.state.model.state_dict().items()}
    drawn = torch.get_rng_state()
    first, again = (run.monitor.metrics(run.state.model) for _ in range(2))
    assert first == again, "the same clips in the same views"
    assert all(torch.equal(before[name], now) for name, now in run.state.model.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(module.training for module in run.state.model.query.modules())


def test_monitoring_interval_and_log_messages(corpus: PackedCorpus, tmp_path: Path) -> None:
    listening = Listening()
    result = pretrain(spec_for(corpus, monitor_every_steps=5), tmp_path, observer=listening)
    told = [step for step, metrics in listening.metrics.items() if "quality/knn" in metrics]
    assert told == [5, 10, 15, 18], "every five steps, and at the end"
    last = listening.metrics[18]
    assert "loss" in last, "beside the losses, not instead of them"
    assert result["quality"] == {name: last[name] for name in last if name.startswith("quality/")}
    names = ("alignment", "uniformity", "effective_rank", "queue_similarity", "instance_accuracy")
    streams = ("joint", "motion")
    assert (result["steps"], result["collapsed"]) == (18, None), "too short to tell"
    expected = {f"quality/{name}/{stream}" for name in names for stream in streams} | {"quality/knn"}
    assert set(result["quality"]) == expected  # type: ignore[call-overload]
    assert sum("kNN" in message for message in listening.logs) == 4


@pytest.fixture
def soon_settled(monkeypatch: pytest.MonkeyPatch) -> int:
    """Judged after few steps: a test need not wait as long as a run may take."""
    monkeypatch.setattr(monitoring, "SETTLED_STEPS", 20)
    return 20


def test_collapsed_embeddings_are_detected(corpus: PackedCorpus, tmp_path: Path, soon_settled: int) -> None:
    """A weight decay that leaves nothing of the weights: every clip becomes the same point."""
    listening = Listening()
    spec = spec_for(
        corpus,
        optimiser={"weight_decay": 3.0, "schedule": "steps", "learning_rate": 0.1},
        num_epochs=6,
        monitor_every_steps=19,
    )
    result = pretrain(spec, tmp_path, observer=listening)
    assert result["steps"] == 36 > soon_settled
    assert result["collapsed"] is True
    assert any("one point" in reason for reason in result["collapse"])  # type: ignore[attr-defined]
    warnings = [message for message in listening.logs if "have collapsed" in message]
    assert len(warnings) == 1, "step 19 is too early to tell; the end is not"
    assert "optimiser.weight_decay (3.0)" in warnings[0]


def test_a_healthy_run_of_the_smoke_recipe_is_not_collapsed(
    corpus: PackedCorpus, tmp_path: Path, soon_settled: int
) -> None:
    listening = Listening()
    overrides = {"views": {"num_frames": 8, "min_crop_frames": 4}, "run": {"batch_size": 8, "num_epochs": 10}}
    spec = PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=overrides)
    result = pretrain(spec, tmp_path, observer=listening)
    assert result["steps"] == 30 > soon_settled
    assert (result["collapsed"], result["collapse"]) == (False, [])
    assert not any("collapsed" in message for message in listening.logs)


def test_held_out_clips_are_labelled_and_not_trained_on(corpus: PackedCorpus) -> None:
    trained = corpus.select(ClipSelection(splits=("train",)))
    held_out = HeldOut.of(corpus, trained, seed=0)
    assert held_out is not None
    assert np.isin(held_out.gallery, trained).all()
    assert not np.isin(held_out.queries, trained).any()
    everything = np.arange(len(corpus))
    assert HeldOut.of(corpus, everything, seed=0) is None, "nothing is left to score on"


def test_few_glosses_are_drawn_so_that_queries_have_relevant_clips(tmp_path: Path) -> None:
    many = random_corpus(tmp_path / "many", clips=600, labels=100)
    trained = many.select(ClipSelection(splits=("train",)))
    held_out = HeldOut.of(many, trained, seed=0)
    assert held_out is not None
    gallery, queries = (many.labels[clips] for clips in (held_out.gallery, held_out.queries))
    assert np.isin(queries, gallery).all()
    assert len(np.unique(gallery)) == len(np.unique(queries)) == NUM_GLOSSES
    assert np.unique(gallery, return_counts=True)[1].min() == 4, "all that there are of each"
    other = HeldOut.of(many, trained, seed=1)
    assert other is not None
    assert set(many.labels[other.queries]) != set(queries)


def test_the_gallery_has_glosses_without_queries(tmp_path: Path) -> None:
    many = random_corpus(tmp_path / "many", clips=600, labels=100)
    others = many.select(ClipSelection(exclude_labels=(many.label_names[7],)))
    some = np.flatnonzero((many.labels == 7) & (many.splits == many.split_names.index("train")))[:1]
    held_out = HeldOut.of(many, np.union1d(others, some), seed=0)
    assert held_out is not None
    assert set(many.labels[held_out.queries]) == {7}
    gallery = many.labels[held_out.gallery]
    assert 7 in gallery
    assert len(np.unique(gallery)) == NUM_GLOSSES


def test_without_labels_there_is_no_score(tmp_path: Path) -> None:
    unlabelled = random_corpus(tmp_path / "corpus", clips=36, labelled=False)
    result = pretrain(spec_for(unlabelled, num_epochs=1), tmp_path / "run")
    assert "quality/knn" not in result["quality"]  # type: ignore[operator]
    assert "quality/effective_rank/joint" in result["quality"]  # type: ignore[operator]


def test_held_out_clips_avoid_the_test_split(corpus: PackedCorpus) -> None:
    """A score that is looked at on the way should not be the one that is reported at the end."""
    some_of_train = corpus.select(ClipSelection(splits=("train",), signers=("signer-0",)))
    held_out = HeldOut.of(corpus, some_of_train, seed=0)
    assert held_out is not None
    assert {corpus.split_names[side] for side in corpus.splits[held_out.queries]} == {"train"}
