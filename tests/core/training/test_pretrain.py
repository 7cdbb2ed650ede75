"""Training loop: bit-identical resume, stop at a step boundary, rejection of invalid runs."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core.corpora.packed import PackedCorpus
from core.errors import CheckpointError, DivergedError, SpecError, Stopped
from core.exchange.weights import load_encoder
from core.program.observer import SilentObserver
from core.specs.jobs import ClipSelection, PretrainSpec
from core.training.checkpoint import MANIFEST, checkpoints_in
from core.training.data_order import DataOrder
from core.training.pretrain import Pretraining, pretrain
from core.training.schedules import learning_rate
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES, REPAIRED, SMALL
from tests.core.training.stopping import StopsAt

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return random_corpus(tmp_path_factory.mktemp("corpora") / "random")


def spec_for(corpus: PackedCorpus, **overrides: object) -> PretrainSpec:
    return PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides={**OVERRIDES, **overrides})


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "encoder" / "encoder.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(corpus: PackedCorpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """Where a run that nobody disturbed wrote, and its result."""
    out = tmp_path_factory.mktemp("whole")
    return out, pretrain(spec_for(corpus), out)


@pytest.mark.parametrize(
    "stopped_at", [1, *(pytest.param(step, marks=pytest.mark.slow) for step in (4, 7, 11))]
)
def test_a_resumed_run_ends_with_the_same_bytes(
    corpus: PackedCorpus, tmp_path: Path, stopped_at: int, whole: tuple[Path, dict[str, object]]
) -> None:
    out, undisturbed = whole
    with pytest.raises(Stopped):
        pretrain(spec_for(corpus), tmp_path / "first", observer=StopsAt(stopped_at))
    (saved, *_) = checkpoints_in(tmp_path / "first" / "checkpoints")
    assert saved.name == f"step_{stopped_at:08d}"
    torch.rand(5)  # whatever happened to the global generators in between must not matter
    resumed = pretrain(spec_for(corpus), tmp_path / "second", resume=saved)
    assert resumed == undisturbed
    assert resumed["steps"] == 12
    assert digest(tmp_path / "second") == digest(out) == resumed["sha256"]
    expected, second = (folder / "checkpoints" / "step_00000012" for folder in (out, tmp_path / "second"))
    for file in ("model.safetensors", "optimiser.safetensors"):
        assert (expected / file).read_bytes() == (second / file).read_bytes()


OTHER_KINDS = {
    "adamw": {"optimiser": {"algorithm": "adamw", "learning_rate": 0.001}},
    "motion_alone": {"encoder": {"streams": ("motion",)}},
    "text": {
        "encoder": {"motion_difference": "backward"},
        "contrast": {
            "instance_spaces": ("hand", "trunk"),
            "consistency_between": "channels",
            "transfer_space": "hand_and_trunk",
        },
    },
    "repaired": {"encoder": REPAIRED.encoder.model_dump()},
    "other_objectives": {
        "views": {"hidden_hand_frames": 0.4},
        "contrast": {"neighbour_share": 0.5, "prototype_weight": 0.5, "hidden_hands_weight": 0.5},
    },
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_of_runs_resume_to_the_same_bytes_and_embed(
    corpus: PackedCorpus, tmp_path: Path, kind: str
) -> None:
    changed = {part: {**OVERRIDES[part], **fields} for part, fields in OTHER_KINDS[kind].items()}
    spec = spec_for(corpus, **changed, run={**OVERRIDES["run"], "num_epochs": 1})
    undisturbed = pretrain(spec, tmp_path / "whole")
    with pytest.raises(Stopped):
        pretrain(spec, tmp_path / "first", observer=StopsAt(2))
    (saved, *_) = checkpoints_in(tmp_path / "first" / "checkpoints")
    assert pretrain(spec, tmp_path / "second", resume=saved) == undisturbed
    model = load_encoder(tmp_path / "whole" / "encoder").model
    features = model.embed([corpus.clip(0), corpus.clip(1)])
    assert features.shape == (2, model.embedding_width)
    assert np.isfinite(features).all()


def test_training_changes_the_encoder_and_the_seed_matters(corpus: PackedCorpus, tmp_path: Path) -> None:
    run = {**OVERRIDES["run"], "num_epochs": 1}
    first = pretrain(spec_for(corpus, run=run), tmp_path / "first")
    again = pretrain(spec_for(corpus, run=run), tmp_path / "again")
    other = pretrain(spec_for(corpus, run={**run, "seed": 5}), tmp_path / "other")
    assert first["sha256"] == again["sha256"] != other["sha256"]
    fresh = Pretraining(spec_for(corpus, run=run), tmp_path / "fresh", SilentObserver())
    trained = load_encoder(tmp_path / "first" / "encoder").model.streams["joint"].state_dict()
    untrained = fresh.state.model.query["joint"].encoder.state_dict()
    require_unchanged = [name for name in untrained if torch.equal(trained[name], untrained[name])]
    assert all("adjacency" in name for name in require_unchanged)


def test_a_run_of_so_many_steps_takes_them(corpus: PackedCorpus, tmp_path: Path) -> None:
    run = {**OVERRIDES["run"], "num_steps": 2}
    assert pretrain(spec_for(corpus, run=run), tmp_path)["steps"] == 2


def test_a_checkpoint_of_another_run_is_refused(
    corpus: PackedCorpus, tmp_path: Path, whole: tuple[Path, dict[str, object]]
) -> None:
    (saved, *_) = checkpoints_in(whole[0] / "checkpoints")
    other = {**OVERRIDES["run"], "seed": 9}
    with pytest.raises(
        CheckpointError, match=r"another run \(config\.run\.seed is 0 in the checkpoint and 9 here\)"
    ):
        pretrain(spec_for(corpus, run=other), tmp_path / "two", resume=saved)
    fewer = spec_for(corpus).model_copy(update={"clips": ClipSelection(signers=("signer-0",))})
    with pytest.raises(CheckpointError, match="another run \\(clips is"):
        pretrain(fewer, tmp_path / "three", resume=saved)


def test_a_run_resumes_after_an_update_with_a_new_setting(
    corpus: PackedCorpus, tmp_path: Path, whole: tuple[Path, dict[str, object]]
) -> None:
    *_, earlier = checkpoints_in(whole[0] / "checkpoints")
    saved = shutil.copytree(earlier, tmp_path / earlier.name)
    manifest = saved / MANIFEST
    older = json.loads(manifest.read_text())
    del older["facts"]["config"]["run"]["cuda_graph"]
    manifest.write_text(json.dumps(older))
    assert pretrain(spec_for(corpus), tmp_path / "two", resume=saved) == whole[1]


def test_a_missing_device_is_rejected(corpus: PackedCorpus, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(SpecError, match="use 'auto' or 'cpu'"):
        pretrain(spec_for(corpus, run={**OVERRIDES["run"], "device": "cuda"}), tmp_path)


def test_too_few_clips_for_a_batch_are_rejected(corpus: PackedCorpus, tmp_path: Path) -> None:
    run = {**OVERRIDES["run"], "batch_size": 16, "num_epochs": 1}
    clips = ClipSelection(splits=("train",), signers=("signer-0",))
    spec = spec_for(corpus, run=run).model_copy(update={"clips": clips})
    with pytest.raises(SpecError, match=r"batch_size is 16, but only 8 clips") as refused:
        pretrain(spec, tmp_path)
    assert refused.value.pointer == "/overrides/run/batch_size"


def test_a_loss_that_is_not_finite_ends_the_run(corpus: PackedCorpus, tmp_path: Path) -> None:
    wild = {**OVERRIDES["optimiser"], "learning_rate": 1e30, "warmup_steps": 0}
    with pytest.raises(DivergedError, match=r"lower optimiser\.learning_rate"):
        pretrain(spec_for(corpus, optimiser=wild), tmp_path)


def test_every_clip_comes_once_an_epoch_and_order_depends_on_seed_and_epoch() -> None:
    order = DataOrder(torch.arange(100, 121).numpy(), batch_size=5, seed=3)
    assert order.steps_per_epoch == 4
    first, second = (
        torch.cat([torch.from_numpy(order.batch(epoch * 4 + i)) for i in range(4)]) for epoch in (0, 1)
    )
    for epoch in (first, second):
        assert len(set(epoch.tolist())) == 20
        assert set(epoch.tolist()) <= set(range(100, 121))
    assert first.tolist() != second.tolist()


def test_the_schedules() -> None:
    steps = SMALL.optimiser.model_copy(
        update={"schedule": "steps", "milestones": (2,), "warmup_steps": 2, "learning_rate": 1.0}
    )
    rates = [learning_rate(steps, step=step, steps_per_epoch=3, total_steps=9) for step in range(9)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1])
    cosine = steps.model_copy(update={"schedule": "cosine", "warmup_steps": 0})
    rates = [learning_rate(cosine, step=step, steps_per_epoch=3, total_steps=4) for step in range(5)]
    assert rates == pytest.approx([1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)


def test_the_program_runs_without_any_service(corpus: PackedCorpus, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(spec_for(corpus).model_dump_json())
    command = [
        sys.executable,
        "-m",
        "core.training.pretrain",
        "--spec",
        str(spec),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run([*command, "--events"], capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] not in ("step", "log")] == [
        "phase",
        "checkpoint",
        "checkpoint",
        "checkpoint",
        "result",
    ]
    assert [event["step"] for event in events if event["event"] == "step"] == list(range(1, 13))
    told = [event["message"].partition(" ")[0] for event in events if event["event"] == "log"]
    assert told == ["Computing", "Step"], "how it is computed, and the quality of what came of it"
    assert json.loads((tmp_path / "out" / "result.json").read_text())["sha256"] == digest(tmp_path / "out")
