"""Several ranks are equivalent to one: the same mathematics, joint stop and failure, and exact resume."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from core.corpora.packed import PackedCorpus
from core.errors import RankFailed, Stopped
from core.program.frame import EXIT_REFUSED
from core.specs.jobs import PretrainSpec
from core.training.checkpoint import checkpoints_in
from core.training.pretrain import Pretraining
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES
from tests.core.training.launching import PRETRAIN, Listener, launch, ranks_of
from tests.servers.starting import REPOSITORY, wait_for
from worker.processes import MARK, end_all, marked

pytestmark = [pytest.mark.system, pytest.mark.slow]
SHOWING = "tests.core.training.programs.showing_rank"
TRACED = "tests.core.training.programs.traced_ranks"
RUN = {**OVERRIDES["run"], "device": "cpu", "precision": "fp32", "batch_size": 6}
QUIETLY = {"synchronised_batch_statistics": False}
"""Far fewer messages, each of which waits for a busy machine; and harder to resume exactly."""
EVERY_NEIGHBOUR = {
    **OVERRIDES["contrast"],
    "consistency": {"num_neighbours": 16},
    "transfer": {"num_neighbours": 32},
}
"""All of a queue: which of two nearly equal neighbours counts would hang on the last bit."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return random_corpus(tmp_path_factory.mktemp("corpora") / "random", clips=27)


def spec_for(
    corpus: PackedCorpus,
    *,
    contrast: dict[str, Any] | None = None,
    encoder: Mapping[str, Any] | None = None,
    **run: Any,
) -> PretrainSpec:
    overrides = {
        **OVERRIDES,
        "encoder": {**OVERRIDES["encoder"], **(encoder or {})},
        "contrast": contrast or OVERRIDES["contrast"],
        "optimiser": {**OVERRIDES["optimiser"], "learning_rate": 0.005},
        "run": {**RUN, **run},
    }
    return PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=overrides)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the undisturbed run."""
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture(scope="module")
def undisturbed(corpus: PackedCorpus, place: Path) -> tuple[PretrainSpec, dict[str, Any]]:
    """A run long enough to be interrupted, and how it ends if it is not. All of its checkpoints are kept."""
    often = {"checkpoint_every_steps": 1, "keep_checkpoints": 100}
    spec = spec_for(corpus, num_epochs=8, num_devices=2, **often, **QUIETLY)
    return spec, launch(spec, place)


@pytest.mark.parametrize("engine", ["eager", "auto"])
def test_every_step_of_two_ranks_is_the_step_of_one_with_the_whole_batch(
    corpus: PackedCorpus, tmp_path: Path, engine: str
) -> None:
    """From the same state: float32's rounding grows from step to step, faster where a ReLU flips."""
    spec = spec_for(
        corpus, contrast=EVERY_NEIGHBOUR, engine=engine, checkpoint_every_steps=1, keep_checkpoints=100
    )
    alone, together = Listener(), Listener()
    Pretraining(spec, tmp_path / "single", alone).train()
    *states, last = reversed(checkpoints_in(tmp_path / "single" / "checkpoints"))
    last.rename(tmp_path / last.name)  # no step follows it
    launch(spec, tmp_path / "ranks", observer=together, resume=states[0], module=SHOWING)
    assert len(together.losses) == len(states) == 8
    torch.testing.assert_close(together.losses, alone.losses[1:], rtol=1e-4, atol=1e-5)
    for before, after in pairwise([*states, tmp_path / last.name]):
        start, expected = (load_file(path / "model.safetensors") for path in (before, after))
        step = int(after.name.removeprefix("step_"))
        first, second = (
            load_file(tmp_path / "ranks" / f"step_{step}_rank_{rank}.safetensors") for rank in (0, 1)
        )
        assert all(torch.equal(first[name], second[name]) for name in first), (
            "ranks have the same, to the bit"
        )
        moved = trained(expected) - trained(start)
        assert (trained(first) - trained(expected)).norm() < 1e-3 * moved.norm()
        for name in (name for name in first if "queues" in name or "running" in name):
            torch.testing.assert_close(first[name], expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.slowest
def test_compiled_ranks_compute_what_one_alone_does_plainly(corpus: PackedCorpus, tmp_path: Path) -> None:
    """Batch statistics are gathered in the middle of compiled passes, forward and backward."""
    few_operations = {
        "streams": ("joint",),
        "graph_block_widths": (4,),
        "pooled_block_widths": (4,),
        "num_temporal_blocks": 0,
        "num_transformer_blocks": 0,
        "graph_dropout": 0.1,
    }
    contrast = {**EVERY_NEIGHBOUR, "transfer_weight": 0}
    plain = spec_for(corpus, contrast=contrast, encoder=few_operations, num_epochs=1)
    compiled = spec_for(
        corpus, contrast=contrast, encoder=few_operations, num_epochs=1, num_devices=2, engine="compiled"
    )
    alone, together = Listener(), Listener()
    Pretraining(plain, tmp_path, alone).train()
    launch(compiled, tmp_path / "ranks", observer=together, module=TRACED)
    torch.testing.assert_close(together.losses, alone.losses, rtol=1e-3, atol=1e-3)


def trained(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """All trained weights as one vector."""
    names = (name for name in state if name.startswith("query.") and "running" not in name)
    return torch.cat([state[name].flatten().double() for name in names])


def test_without_synchronised_statistics_ranks_still_share_weights_and_queues(
    corpus: PackedCorpus, tmp_path: Path
) -> None:
    spec = spec_for(corpus, num_epochs=1, checkpoint_every_steps=1, **QUIETLY)
    Pretraining(spec, tmp_path / "single", Listener()).train()
    *_, start = checkpoints_in(tmp_path / "single" / "checkpoints")
    launch(spec, tmp_path / "ranks", resume=start, module=SHOWING)
    first, second = (load_file(tmp_path / "ranks" / f"step_3_rank_{rank}.safetensors") for rank in (0, 1))
    differing = {name for name, tensor in first.items() if not torch.equal(tensor, second[name])}
    assert differing
    assert all(name.endswith(("running_mean", "running_var")) for name in differing), differing


def test_a_killed_rank_ends_the_run_which_resumes_to_the_same_bytes(
    undisturbed: tuple[PretrainSpec, dict[str, Any]], tmp_path: Path
) -> None:
    spec, expected = undisturbed

    def kill(step: int) -> None:
        if step == 4:
            ranks_of()[1].kill()

    with pytest.raises(RankFailed, match="Rank 1 was killed by SIGKILL") as failed:
        launch(spec, tmp_path / "first", observer=Listener(at_checkpoint=kill))
    assert failed.value.reason == "worker_lost"
    assert ranks_of() == {}
    (newest, *_) = checkpoints_in(tmp_path / "first" / "checkpoints")
    resumed = launch(spec, tmp_path / "second", resume=newest)
    assert resumed == expected


def test_all_ranks_stop_at_the_same_step(
    undisturbed: tuple[PretrainSpec, dict[str, Any]], place: Path, tmp_path: Path
) -> None:
    """What they save, for no other reason, is the state of that step in the undisturbed run."""
    overrides = undisturbed[0].overrides
    never = {**overrides, "run": {**overrides["run"], "checkpoint_every_steps": 1000}}
    spec = undisturbed[0].model_copy(update={"overrides": never})
    with pytest.raises(Stopped, match=r"Stopped at step \d+ of 24; a checkpoint is saved"):
        launch(spec, tmp_path, observer=Listener(stop_at=3))
    (saved,) = checkpoints_in(tmp_path / "checkpoints")
    passed = place / "checkpoints" / saved.name
    for file in ("model.safetensors", "optimiser.safetensors"):
        assert (saved / file).read_bytes() == (passed / file).read_bytes()
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (saved, passed)]
    steps = [manifest["step"] for manifest in manifests]
    losses = [manifest["facts"]["last_loss"] for manifest in manifests]
    assert steps[0] == steps[1]
    assert losses[0] == losses[1]


@pytest.mark.slowest
def test_three_ranks_resume_to_the_same_bytes(corpus: PackedCorpus, tmp_path: Path) -> None:
    """Three summands: here the order in which gradients are added matters."""
    spec = spec_for(corpus, keep_checkpoints=100, **QUIETLY)
    whole = launch(spec, tmp_path / "whole", num_ranks=3)
    middle = tmp_path / "whole" / "checkpoints" / "step_00000004"
    assert launch(spec, tmp_path / "again", num_ranks=3, resume=middle) == whole


def test_torchrun_makes_the_same_encoder(
    undisturbed: tuple[PretrainSpec, dict[str, Any]], tmp_path: Path
) -> None:
    spec, expected = undisturbed
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = ["-m", PRETRAIN, "--spec", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out")]
    subprocess.run([sys.executable, *torchrun, *program], cwd=REPOSITORY, check=True, capture_output=True)
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == expected


@pytest.fixture
def mark() -> Iterator[str]:
    """A fresh mark; nothing that carries it outlives the test."""
    fresh = uuid.uuid4().hex
    yield fresh
    assert end_all(fresh)


def started(spec: PretrainSpec, folder: Path, mark: str) -> "subprocess.Popen[str]":
    """The program on its way: its launcher, once rank 0 has saved a checkpoint."""
    (folder / "spec.json").write_text(spec.model_dump_json())
    arguments = ["--spec", str(folder / "spec.json"), "--out", str(folder), "--events"]
    launcher = subprocess.Popen(
        [sys.executable, "-m", PRETRAIN, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(
        lambda: bool(checkpoints_in(folder / "checkpoints")), within_seconds=90, what="the first checkpoint"
    )
    return launcher


def test_ranks_are_killed_with_their_launcher(corpus: PackedCorpus, tmp_path: Path, mark: str) -> None:
    spec = spec_for(corpus, num_epochs=100_000, num_devices=2, **QUIETLY)
    with started(spec, tmp_path, mark) as launcher:
        assert len(marked(mark)) == 3
        launcher.kill()
        wait_for(lambda: not marked(mark), within_seconds=10, what="the end of the ranks")


def test_the_program_names_the_lost_rank(corpus: PackedCorpus, tmp_path: Path, mark: str) -> None:
    spec = spec_for(corpus, num_epochs=100_000, num_devices=2, **QUIETLY)
    with started(spec, tmp_path, mark) as launcher:
        ranks_of(psutil.Process(launcher.pid))[0].send_signal(signal.SIGKILL)
        said, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == EXIT_REFUSED
    last = json.loads(said.splitlines()[-1])
    assert (last["event"], last["reason"]) == ("error", "worker_lost")
    assert last["message"].startswith("Rank 0 was killed by SIGKILL")
    assert marked(mark) == []
