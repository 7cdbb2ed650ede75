"""Engine selection: precision, kernels and compilation of a run on this machine."""

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
"""Feature width from which bf16 is faster; narrower networks spend little time in matrix products."""
_PASSES_THAT_PAY = 1000
"""Steps from which compiling pays; compiling the full-size networks takes minutes."""


@dataclass(frozen=True)
class Engine:
    """Engine settings of a run, resolved for one device. `native` is set only for the native engine."""

    name: str
    precision: str
    device: torch.device
    native: NativeLibrary | None = None
    cuda_graph: bool = False
    remark: str = ""
    """Why `auto` did not choose the fastest engine."""

    @classmethod
    def of(cls, config: PretrainConfig, device: torch.device, *, total_steps: int) -> "Engine":
        """Resolve `run.precision`, `run.engine` and `run.cuda_graph` of a pretraining run.

        Raises:
            SpecError: the engine does not support this device, or CUDA graphs are not supported.
            KernelError: the native kernels are requested but cannot be built.
        """
        run = config.run
        chosen = cls.chosen(run.engine, run.precision, config.encoder, device, num_passes=total_steps)
        if run.cuda_graph and (chosen.name, device.type) != ("compiled", "cuda"):
            raise SpecError(
                f"run.cuda_graph needs run.engine 'compiled' on CUDA, but this run is {chosen.name!r} on "
                f"{device.type}; omit it, or set run.engine and run.device.",
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
        """Resolve `auto` for a network of `encoder`'s width and this number of forward passes.

        Raises:
            SpecError: the engine does not support this device.
            KernelError: the native kernels are requested but cannot be built.
        """
        resolved = _precision(precision, encoder, device)
        if engine == "native" and device.type != "cpu":
            raise SpecError(
                f"run.engine 'native' needs a CPU, but this run is on {device.type}; set it to 'auto' or "
                "'compiled'.",
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
            return cls("eager", resolved, device, remark="torch.compile needs a C compiler; none was found.")
        return cls("eager" if engine == "auto" else engine, resolved, device)

    def __str__(self) -> str:
        words = f"engine {self.name}, {self.precision}, on {self.device.type}"
        return f"{words} ({self.remark})" if self.remark else words

    @property
    def hardware(self) -> str:
        """Name of the device model; rounding may differ between models."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return processor_name()

    def circumstances(self, *, num_ranks: int) -> dict[str, str | int]:
        """Return what rounding depends on besides the configuration; recorded in checkpoints."""
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
        """Data type of activations."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def prepare(self, networks: nn.ModuleDict) -> None:
        """Set up networks for compilation at first use, if the engine is `compiled`."""
        if self.name != "compiled":
            return
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir  # takes seconds to load

        if os.environ.get(_INDUCTOR_CACHE) in (None, default_cache_dir()):  # torch sets the default itself
            os.environ[_INDUCTOR_CACHE] = str(inductor_cache())
        if torch.are_deterministic_algorithms_enabled():
            torch._inductor.config.deterministic = True  # `be_deterministic` does not load the compiler
        for network in networks.values():
            network.compile(mode="reduce-overhead" if self.cuda_graph else None)

    def begin_step(self) -> None:
        """Mark the start of a step, after which outputs of the previous step may be overwritten."""
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
        """Return the context of the forward passes of step `step`."""
        return PassContext(
            dtype=self.dtype,
            native=self.native,
            seed=torch.full((), derived_seed(seed, "dropout", step), device=self.device),
            first_clip=first_clip,
            all_reduce=all_reduce,
            num_ranks=num_ranks,
        )

    def for_inference(self) -> PassContext:
        """Return the context of forward passes without dropout."""
        return PassContext(dtype=self.dtype, native=self.native)


def _has_compiler() -> bool:
    """Whether torch.compile finds a C compiler, by its own search order."""
    return any(map(shutil.which, (os.environ.get("CC") or "cc", "gcc", "clang")))


def inductor_cache() -> Path:
    """Return the cache folder of compiled graphs, one per machine."""
    return cache_folder() / "inductor"


def multiplies_bf16_faster(device: torch.device) -> bool:
    """Whether the device has instructions for bf16 matrix products."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _precision(wanted: Precision, encoder: EncoderConfig, device: torch.device) -> str:
    if wanted != "auto":
        return wanted
    wide = encoder.feature_width >= _WIDTH_THAT_GAINS
    return "bf16" if wide and multiplies_bf16_faster(device) else "fp32"
