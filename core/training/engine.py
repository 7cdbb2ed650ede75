"""How the steps of a run are computed on this machine: precision, kernels, compilation."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from core.encoders.pass_context import PassContext
from core.errors import KernelError, SpecError
from core.kernels.batch_norm import AllReduce
from core.kernels.library import NativeLibrary, cache_folder, native_library, processor_name
from core.specs.fields import EngineName, Precision
from core.specs.pretraining import EncoderConfig, PretrainConfig
from core.training.randomness import derived_seed

_INDUCTOR_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_WIDTH_THAT_GAINS = 256
"""Narrower networks spend their time elsewhere than in products, and gain nothing from bf16."""
_PASSES_THAT_PAY = 1000
"""Compiling the full-size networks costs minutes; a run of fewer steps is over before that is won back."""


@dataclass(frozen=True)
class Engine:
    """The settings of a run, resolved for one device. `native` is None but for the engine of that name."""

    name: str
    precision: str
    device: torch.device
    native: NativeLibrary | None = None
    cuda_graph: bool = False
    remark: str = ""
    """Why `auto` did not choose what is fastest."""

    @classmethod
    def of(cls, config: PretrainConfig, device: torch.device, *, total_steps: int) -> "Engine":
        """Resolve `run.precision`, `run.engine` and `run.cuda_graph` of a pretraining run.

        Raises:
            SpecError: the engine is not for this device, or a CUDA graph not for this engine.
            KernelError: the native kernels are asked for and cannot be built.
        """
        run = config.run
        chosen = cls.chosen(run.engine, run.precision, config.encoder, device, num_passes=total_steps)
        if run.cuda_graph and (chosen.name, device.type) != ("compiled", "cuda"):
            raise SpecError(
                f"run.cuda_graph is for run.engine 'compiled' on CUDA, this run is {chosen.name!r} on "
                f"{device.type}; leave it out, or set run.engine and run.device.",
                pointer="/overrides/run/cuda_graph",
            )
        return replace(chosen, cuda_graph=run.cuda_graph)

    @classmethod
    def chosen(
        cls,
        engine: EngineName,
        precision: Precision,
        encoder: EncoderConfig,
        device: torch.device,
        *,
        num_passes: int,
    ) -> "Engine":
        """Resolve what `auto` means for a network of `encoder`'s width that is passed through so often.

        Raises:
            SpecError: the engine is not for this device.
            KernelError: the native kernels are asked for and cannot be built.
        """
        resolved = _precision(precision, encoder, device)
        if engine == "native" and device.type != "cpu":
            raise SpecError(
                f"run.engine 'native' is for CPUs, this run is on {device.type}; use 'auto' or 'compiled'.",
                pointer="/overrides/run/engine",
            )
        if engine in ("auto", "native") and device.type == "cpu":
            try:
                return cls("native", resolved, device, native_library())
            except KernelError as error:
                if engine == "native":
                    raise
                return cls("eager", resolved, device, remark=str(error))
        if engine == "auto" and device.type == "cuda" and num_passes >= _PASSES_THAT_PAY:
            if _has_compiler():
                return cls("compiled", resolved, device)
            return cls("eager", resolved, device, remark="torch.compile needs a C compiler; there is none.")
        return cls("eager" if engine == "auto" else engine, resolved, device)

    def __str__(self) -> str:
        told = f"engine {self.name}, {self.precision}, on {self.device.type}"
        return f"{told} ({self.remark})" if self.remark else told

    @property
    def hardware(self) -> str:
        """What the device is: another one rounds in other places."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return processor_name()

    def circumstances(self, *, num_ranks: int) -> dict[str, str | int]:
        """What rounding depends on besides the configuration; a checkpoint notes it."""
        return {
            "device": self.device.type,
            "hardware": self.hardware,
            "engine": self.name,
            "precision": self.precision,
            "num_threads": torch.get_num_threads(),
            "num_ranks": num_ranks,
        }

    @property
    def dtype(self) -> torch.dtype:
        """Of activations."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def prepare(self, networks: nn.ModuleDict) -> None:
        """Have networks compiled at their first use, where the engine compiles."""
        if self.name != "compiled":
            return
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir  # takes seconds to load

        if os.environ.get(_INDUCTOR_CACHE) in (None, default_cache_dir()):  # which torch writes there itself
            os.environ[_INDUCTOR_CACHE] = str(inductor_cache())
        for network in networks.values():
            network.compile(mode="reduce-overhead" if self.cuda_graph else None)

    def begin_step(self) -> None:
        """Say that what the passes of the step before have returned is no longer needed."""
        if self.cuda_graph:
            torch.compiler.cudagraph_mark_step_begin()

    def context(
        self,
        seed: int,
        *,
        step: int,
        first_clip: int = 0,
        all_reduce: AllReduce | None = None,
        num_ranks: int = 1,
    ) -> PassContext:
        """What the passes of step `step` depend on."""
        return PassContext(
            dtype=self.dtype,
            native=self.native,
            seed=torch.full((), derived_seed(seed, "dropout", step), device=self.device),
            first_clip=first_clip,
            all_reduce=all_reduce,
            num_ranks=num_ranks,
        )

    def for_inference(self) -> PassContext:
        """What passes depend on when nothing is drawn."""
        return PassContext(dtype=self.dtype, native=self.native)


def _has_compiler() -> bool:
    """Whether torch.compile finds one, looking where it looks."""
    return any(map(shutil.which, (os.environ.get("CC") or "cc", "gcc", "clang")))


def inductor_cache() -> Path:
    """Where compiled graphs are kept, once per machine."""
    return cache_folder() / "inductor"


def multiplies_bf16_faster(device: torch.device) -> bool:
    """Whether the device has instructions for products of bf16 numbers."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _precision(wanted: Precision, encoder: EncoderConfig, device: torch.device) -> str:
    if wanted != "auto":
        return wanted
    wide = encoder.feature_width >= _WIDTH_THAT_GAINS
    return "bf16" if wide and multiplies_bf16_faster(device) else "fp32"
