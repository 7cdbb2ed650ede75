"""How long, where and how a run computes, and what it keeps: frozen, closed, torch-free."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.specs.fields import Closed, EngineName, Name, Positive, Precision, Seed, Switch, Whole

_QUALITY = "quality/"
"""Begins the names of what monitors tell (docs/explanation/monitoring.md)."""


class RunConfig(Closed):
    """Length, seed, device and checkpoints of a run."""

    seed: Seed = 0
    """Seed of initialisation, data order, views and dropout."""
    batch_size: Annotated[Whole, Field(ge=2)] = 64
    """Clips per step, over all devices together; each takes an equal share."""
    num_epochs: Positive = 150
    """Passes over the corpus."""
    checkpoint_every_steps: Positive = 500
    """Steps between checkpoints; the last step always has one."""
    keep_checkpoints: Positive = 2
    """Newest checkpoints kept; older ones are deleted."""
    keep_every_steps: Positive | None = None
    """Checkpoints of steps that this divides are kept as well."""
    keep_best: Name | None = None
    """The checkpoint at which this number, such as `loss`, was best is kept as well; losses are better when
    lower, all else when higher. Not quality metrics, which may look at test
    clips."""
    log_every_steps: Positive = 10
    """Steps between progress events."""
    monitor_every_steps: Positive | None = 250
    """Steps between looks at the quality of embeddings (`quality/...` metrics) and whether they have
    collapsed; the end of a run always has one. Null never looks. What is trained is the same either way."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; `auto` takes CUDA where there is one."""
    num_devices: Annotated[Whole, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
    """Devices that share each step, one process for each. `auto` takes every visible CUDA device that
    `batch_size` can be divided among, and one CPU; on CPUs, processes share the cores."""
    synchronised_batch_statistics: Switch = True
    """Batch norm sees the clips of all devices, so that a run means the same on any number of them. Off, each
    device normalises by its own share, as the released code does, and talks less to the others."""
    precision: Precision = "auto"
    """Of activations and products; weights, statistics, losses and queues are kept in fp32 always. `auto`
    takes bf16 where the device multiplies it faster and the network is wide enough to gain."""
    engine: EngineName = "auto"
    """`eager`: plain PyTorch; `compiled`: by torch.compile, minutes at first; `native`: our own kernels for
    CPUs, built in seconds where there is a C++ compiler. `auto` takes `native` on a CPU that can, and
    `compiled` on CUDA where the run is long enough to pay for compiling."""
    cuda_graph: Switch = False
    """With `compiled` on CUDA: replay each pass as one recorded graph, which spares launching its kernels one
    by one and pays for small batches; takes more memory."""
    deterministic: Switch = True
    """Only algorithms that give the same bytes every time. Exact resume needs it."""

    @field_validator("keep_best")
    @classmethod
    def _no_monitor_chooses_a_checkpoint(cls, name: str | None) -> str | None:
        if name is not None and name.startswith(_QUALITY):
            raise ValueError(
                f"keep_best {name!r} would choose a checkpoint by a monitor, which may look at test clips; "
                "name a loss, such as 'loss', or set keep_every_steps and evaluate what it keeps"
            )
        return name

    @model_validator(mode="after")
    def _devices_divide_the_batch(self) -> Self:
        if self.num_devices != "auto" and self.batch_size % self.num_devices:
            raise ValueError(
                f"batch_size {self.batch_size} (clips per step over all devices) cannot be divided equally "
                f"among num_devices {self.num_devices}; make it a multiple, or change num_devices"
            )
        return self
