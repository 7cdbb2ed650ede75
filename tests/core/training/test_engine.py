"""Engines: what `auto` chooses, agreement of engines, and exact resume with each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from core.corpora.packed import PackedCorpus
from core.errors import KernelError, SpecError, Stopped
from core.kernels import library
from core.program.observer import SilentObserver
from core.specs.jobs import PretrainSpec
from core.specs.pretraining import EncoderConfig, PretrainConfig
from core.specs.run import RunConfig
from core.training.checkpoint import checkpoints_in
from core.training.engine import Engine, multiplies_bf16_faster
from core.training.pretrain import Pretraining, pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES
from tests.core.training.stopping import StopsAt
from tests.servers.starting import REPOSITORY

CPU = torch.device("cpu")
WIDE, NARROW = EncoderConfig(), EncoderConfig(feature_width=64)
MODES = [
    pytest.param("eager", "fp32", marks=pytest.mark.slow),
    pytest.param("eager", "bf16", marks=pytest.mark.slow),
    ("native", "fp32"),
    pytest.param("native", "bf16", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    return random_corpus(tmp_path_factory.mktemp("corpora") / "random")


def spec_for(corpus: PackedCorpus, engine: str, precision: str) -> PretrainSpec:
    encoder = {**OVERRIDES["encoder"], "graph_dropout": 0.1, "transformer_dropout": 0.1}
    run = {**OVERRIDES["run"], "num_epochs": 2, "engine": engine, "precision": precision}
    overrides = {**OVERRIDES, "encoder": encoder, "run": run}
    return PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=overrides)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "precision"), MODES)
def test_resume_is_exact(corpus: PackedCorpus, tmp_path: Path, engine: str, precision: str) -> None:
    spec = spec_for(corpus, engine, precision)
    undisturbed = pretrain(spec, tmp_path / "whole")
    with pytest.raises(Stopped):
        pretrain(spec, tmp_path / "first", observer=StopsAt(5))
    (saved, *_) = checkpoints_in(tmp_path / "first" / "checkpoints")
    assert pretrain(spec, tmp_path / "second", resume=saved) == undisturbed


@pytest.mark.slow
@pytest.mark.slowest
def test_a_compiled_network_computes_what_a_plain_one_does_and_the_same_bytes_every_time() -> None:
    """Also in another process, as a resumed run is, which finds what the first one compiled."""
    first, other = compiled_network(), compiled_network()
    assert first["difference"] < 1e-4
    assert len({*first["digests"], *other["digests"]}) == 1


def compiled_network() -> dict[str, Any]:
    """In a process of its own, where no run-time check of shapes gets in the compiler's way."""
    loops_without_vectors = {"TORCHINDUCTOR_VEC_ISA_OK": "0"}  # which take less compiling
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.training.programs.compiled_network"],
        cwd=REPOSITORY,
        env={**os.environ, **loops_without_vectors},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(done.stdout))


def gradient_of(run: Pretraining) -> torch.Tensor:
    """All of it in one row: at single weights a ReLU that flips by rounding shows."""
    gradients = [parameter.grad for parameter in run.state.model.query.parameters()]
    return torch.cat([each.flatten() for each in gradients if each is not None])


def test_every_step_of_both_engines_is_the_same(corpus: PackedCorpus, tmp_path: Path) -> None:
    """The same masks, the same mathematics; each step begins from the same weights, for a network this small
    magnifies rounding from step to step."""
    eager, native = (
        Pretraining(spec_for(corpus, engine, "fp32"), tmp_path, SilentObserver())
        for engine in ("eager", "native")
    )
    for _ in range(4):
        native.state.model.load_state_dict(eager.state.model.state_dict())
        losses = [float(run._step()["loss"]) for run in (eager, native)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        exact, ours = (gradient_of(run) for run in (eager, native))
        assert (ours - exact).norm() <= 1e-2 * exact.norm()
        for run in (eager, native):
            run.state.step += 1


def test_auto_takes_native_kernels_and_the_precision_that_gains() -> None:
    wide = Engine.chosen("auto", "auto", WIDE, CPU, num_passes=1)
    assert (wide.name, wide.native is not None) == ("native", True)
    assert wide.precision == ("bf16" if multiplies_bf16_faster(CPU) else "fp32")
    assert Engine.chosen("auto", "auto", NARROW, CPU, num_passes=1).precision == "fp32"


def test_without_a_compiler_auto_is_eager_and_native_is_rejected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library.native_library.cache_clear()
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    monkeypatch.setenv("SIGNFORGE_CACHE_FOLDER", str(tmp_path))
    assert Engine.chosen("auto", "fp32", NARROW, CPU, num_passes=1).name == "eager"
    with pytest.raises(KernelError, match=r"run\.engine to 'eager'"):
        Engine.chosen("native", "fp32", NARROW, CPU, num_passes=1)
    library.native_library.cache_clear()


def test_auto_without_a_compiler_logs_why_it_is_eager(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library.native_library.cache_clear()
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    assert "no-such-compiler was not found. Install one" in str(
        Engine.chosen("auto", "fp32", NARROW, CPU, num_passes=1)
    )
    library.native_library.cache_clear()


@pytest.mark.slowest
@pytest.mark.slow
def test_a_compiler_may_be_named_with_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "env g++")
    monkeypatch.setenv("SIGNFORGE_CACHE_FOLDER", str(tmp_path))
    library.native_library.cache_clear()
    assert library.native_library().path.is_file()
    library.native_library.cache_clear()


def test_kernels_that_cannot_be_loaded_are_reported(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"not machine code")
    with pytest.raises(KernelError, match=r"cannot be loaded: .*Set SIGNFORGE_CACHE_FOLDER"):
        library.NativeLibrary(damaged)


def test_native_kernels_are_not_for_other_devices() -> None:
    with pytest.raises(SpecError, match="needs a CPU, but this run is on meta"):
        Engine.chosen("native", "fp32", NARROW, torch.device("meta"), num_passes=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("said_by", ["nobody", "torch", "the user"])
def test_compiled_graphs_are_kept_with_the_kernels_unless_the_user_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said_by: str
) -> None:
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    before = {"nobody": None, "torch": default_cache_dir(), "the user": str(tmp_path / "elsewhere")}[said_by]
    monkeypatch.setenv("SIGNFORGE_CACHE_FOLDER", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", before or "")
    if before is None:
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    Engine("compiled", "fp32", CPU).prepare(torch.nn.ModuleDict({"joint": torch.nn.Identity()}))
    used = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    assert used == (before if said_by == "the user" else str(tmp_path / "inductor"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("mode", ["default", "warn", "error"])
def test_the_compiler_is_as_deterministic_as_the_run(mode: str) -> None:
    import torch._inductor.config

    before = torch.get_deterministic_debug_mode()
    try:
        torch.set_deterministic_debug_mode(mode)
        wanted = torch.get_deterministic_debug_mode()
        with torch._inductor.config.patch(deterministic=False):
            Engine("compiled", "fp32", CPU).prepare(torch.nn.ModuleDict({"joint": torch.nn.Identity()}))
            assert torch._inductor.config.deterministic == (mode != "default")
        assert torch.get_deterministic_debug_mode() == wanted
    finally:
        torch.set_deterministic_debug_mode(before)


def test_a_cuda_graph_is_for_compiled_networks_on_cuda() -> None:
    config = PretrainConfig(recipe="stc", run=RunConfig(cuda_graph=True, engine="eager", precision="fp32"))
    with pytest.raises(SpecError, match=r"this run is 'eager' on cpu; omit it"):
        Engine.of(config, CPU, total_steps=1)
    run = config.run.model_copy(update={"engine": "compiled"})
    on_cuda = Engine.of(config.model_copy(update={"run": run}), torch.device("cuda"), total_steps=1)
    assert on_cuda.cuda_graph


@pytest.mark.slowest
@pytest.mark.slow
def test_kernels_are_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIGNFORGE_CACHE_FOLDER", str(tmp_path))
    library.native_library.cache_clear()
    built = library.native_library().path
    before = built.stat()
    library.native_library.cache_clear()
    again = library.native_library().path
    library.native_library.cache_clear()
    assert (again, again.stat().st_mtime_ns) == (built, before.st_mtime_ns)
    assert list(tmp_path.rglob("*.so")) == [built]
