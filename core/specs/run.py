"""Run settings: length, seed, devices, precision and checkpoints. This module does not import torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.specs.fields import Closed, EngineName, Name, Positive, Precision, Seed, Switch, Whole

_QUALITY = "quality/"
"""Prefix of the metrics of quality monitoring (docs/explanation/monitoring.md)."""


class RunConfig(Closed):
    """Length, seed, device and checkpoints of a run."""

    seed: Seed = 0
    """Random seed of initialisation, data order, views and dropout."""
    batch_size: Annotated[Whole, Field(ge=2)] = 64
    """Clips per step, over all devices together; each device takes an equal share."""
    num_epochs: Positive = 150
    """Number of passes over the corpus, unless `num_steps` is set."""
    num_steps: Positive | None = None
    """Number of steps, however many clips the corpus has. Null: `num_epochs` passes. A change of
    `num_epochs` takes the place of a recipe's `num_steps`."""
    checkpoint_every_steps: Positive = 500
    """Steps between checkpoints; the last step always has one."""
    keep_checkpoints: Positive = 2
    """Number of newest checkpoints to keep; older ones are deleted."""
    keep_every_steps: Positive | None = None
    """Also keep checkpoints whose step is a multiple of this."""
    keep_best: Name | None = None
    """Also keep the checkpoint with the best value of this metric, such as `loss`. Lower is better for
    losses, higher for all others. Quality metrics are not allowed, because they may use test clips."""
    log_every_steps: Positive = 10
    """Steps between progress events."""
    monitor_every_steps: Positive | None = 250
    """Steps between measurements of embedding quality (`quality/...` metrics) and checks for collapse; the
    end of a run always has one. Null turns monitoring off. Monitoring does not change the training result."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device type to train on; `auto` uses CUDA if it is available."""
    num_devices: Annotated[Whole, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
    """Number of devices for data-parallel training, with one process each. `auto` uses as many visible CUDA
    devices as divide `batch_size`; without CUDA it uses one CPU process. CPU processes share the cores."""
    synchronised_batch_statistics: Switch = True
    """Synchronise batch-norm statistics over all devices, so that training does not depend on their number
    (up to rounding). If off, each device uses the statistics of its own clips, as the released code does, and
    communicates less."""
    precision: Precision = "auto"
    """Precision of activations and matrix products; weights, statistics, losses and queues are always in
    fp32. `auto` uses bf16 if the device computes it faster and the network is wide enough to gain."""
    engine: EngineName = "auto"
    """`eager`: plain PyTorch. `compiled`: torch.compile, which takes minutes at first. `native`: our own
    kernels for CPUs, built in seconds with a C++ compiler. `auto` uses `native` on a CPU if it can be built,
    and `compiled` on CUDA if the run is long enough to amortise compiling."""
    cuda_graph: Switch = False
    """With `compiled` on CUDA: capture each pass as a CUDA graph and replay it. This saves kernel-launch
    overhead, which matters for small batches, and takes more memory."""
    deterministic: Switch = True
    """Use only deterministic algorithms, which give bit-identical results. Exact resume needs this."""

    def total_steps(self, num_clips: int) -> int:
        """Number of steps on so many clips; incomplete batches are dropped."""
        return num_clips // self.batch_size * self.num_epochs if self.num_steps is None else self.num_steps

    @field_validator("keep_best")
    @classmethod
    def _no_monitor_chooses_a_checkpoint(cls, name: str | None) -> str | None:
        if name is not None and name.startswith(_QUALITY):
            raise ValueError(
                f"keep_best {name!r} is a quality metric; these may use test clips and must not select a "
                "checkpoint. Name a loss, such as 'loss', or set keep_every_steps and evaluate checkpoints"
            )
        return name

    @model_validator(mode="after")
    def _devices_divide_the_batch(self) -> Self:
        if self.num_devices != "auto" and self.batch_size % self.num_devices:
            raise ValueError(
                f"batch_size {self.batch_size} (clips per step over all devices) cannot be divided equally "
                f"among num_devices {self.num_devices}; set batch_size to a multiple, or change num_devices"
            )
        return self
