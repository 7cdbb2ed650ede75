"""How the steps of a run are computed on this machine: precision, kernels, compilation."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from core.config import PretrainConfig
from core.encoders.pass_context import PassContext
from core.errors import KernelError, SpecError
from core.kernels.batch_norm import AllReduce
from core.kernels.library import NativeLibrary, cache_folder, native_library
from core.training.randomness import derived_seed

_WIDTH_THAT_GAINS = 256
"""Narrower networks spend their time elsewhere than in products, and gain nothing from bf16."""
_STEPS_THAT_PAY = 1000
"""Compiling the full-size networks costs minutes; a run of fewer steps is over before that is won back."""


@dataclass(frozen=True)
class Engine:
    """The settings of a run, resolved for one device. `native` is None but for the engine of that name."""

    name: str
    precision: str
    device: torch.device
    native: NativeLibrary | None = None

    @classmethod
    def of(cls, config: PretrainConfig, device: torch.device, *, total_steps: int) -> "Engine":
        """Resolve `run.precision` and `run.engine`.

        Raises:
            SpecError: the engine is not for this device.
            KernelError: the native kernels are asked for and cannot be built.
        """
        precision = _precision(config, device)
        wanted = config.run.engine
        if wanted == "native" and device.type != "cpu":
            raise SpecError(
                f"run.engine 'native' is for CPUs, this run is on {device.type}; use 'auto' or 'compiled'.",
                pointer="/overrides/run/engine",
            )
        if wanted in ("auto", "native") and device.type == "cpu":
            try:
                return cls("native", precision, device, native_library())
            except KernelError:
                if wanted == "native":
                    raise
        if wanted == "auto":
            wanted = "compiled" if device.type == "cuda" and total_steps >= _STEPS_THAT_PAY else "eager"
        return cls(wanted, precision, device)

    @property
    def dtype(self) -> torch.dtype:
        """Of activations."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def prepare(self, networks: nn.ModuleDict) -> None:
        """Have the streams' networks compiled at their first use, where the engine compiles."""
        if self.name != "compiled":
            return
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(inductor_cache()))
        for network in networks.values():
            network.compile()

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
            seed=torch.tensor(derived_seed(seed, "dropout", step), device=self.device),
            first_clip=first_clip,
            all_reduce=all_reduce,
            num_ranks=num_ranks,
        )


def inductor_cache() -> Path:
    """Where compiled graphs are kept, once per machine."""
    return cache_folder() / "inductor"


def multiplies_bf16_faster(device: torch.device) -> bool:
    """Whether the device has instructions for products of bf16 numbers."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _precision(config: PretrainConfig, device: torch.device) -> str:
    if config.run.precision != "auto":
        return config.run.precision
    wide = config.encoder.feature_width >= _WIDTH_THAT_GAINS
    return "bf16" if wide and multiplies_bf16_faster(device) else "fp32"
