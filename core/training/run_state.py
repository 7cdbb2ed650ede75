"""The state of a pretraining run, and how it goes into a checkpoint and comes back."""

from collections.abc import Mapping
from typing import Any

import torch

from core.config import PretrainConfig
from core.contrast.stc import SpatialTemporalConsistency
from core.errors import CheckpointError
from core.training.checkpoint import Checkpoint
from core.training.randomness import seed_global_draws

_MOMENTUM = "momentum_buffer"


class RunState:
    """Model, optimiser and the number of steps taken, on one device."""

    def __init__(self, config: PretrainConfig, facts: Mapping[str, Any], device: torch.device) -> None:
        seed_global_draws(config.run.seed, "initialisation")
        self.facts = dict(facts)
        self.step = 0
        self.model = SpatialTemporalConsistency(config).to(device).train()
        self.optimiser = torch.optim.SGD(
            self.model.query.parameters(),
            lr=config.optimiser.learning_rate,
            momentum=config.optimiser.sgd_momentum,
            weight_decay=config.optimiser.weight_decay,
        )

    def to_checkpoint(self) -> Checkpoint:
        """Everything needed to go on as if nothing had happened."""
        return Checkpoint(
            step=self.step,
            tensors={"model": self.model.state_dict(), "optimiser": self._momentum_buffers()},
            facts=self.facts,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: it belongs to a run of another configuration or corpus.
        """
        for fact, value in self.facts.items():
            if checkpoint.facts.get(fact) != value:
                raise CheckpointError(
                    f"The checkpoint of step {checkpoint.step} belongs to another run: its {fact} is "
                    f"{checkpoint.facts.get(fact)!r}, this run's is {value!r}. Start again without it."
                )
        self.model.load_state_dict(checkpoint.tensors["model"])
        for name, parameter in self.model.query.named_parameters():
            buffer = checkpoint.tensors["optimiser"].get(name)
            if buffer is not None:
                self.optimiser.state[parameter][_MOMENTUM] = buffer.to(parameter.device)
        self.step = checkpoint.step

    def _momentum_buffers(self) -> dict[str, torch.Tensor]:
        buffers = {
            name: self.optimiser.state[parameter].get(_MOMENTUM)
            for name, parameter in self.model.query.named_parameters()
        }
        return {name: buffer for name, buffer in buffers.items() if buffer is not None}
