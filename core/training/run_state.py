"""State of a pretraining run (model, optimiser, step), with saving to and restoring from checkpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

from core.contrast.stc import SpatialTemporalConsistency
from core.errors import CheckpointError
from core.specs.pretraining import PretrainConfig
from core.specs.saved_settings import with_defaults_for_new_settings
from core.training.checkpoint import Checkpoint
from core.training.engine import Engine
from core.training.optimisers import optimiser_for, optimiser_state, restore_optimiser_state
from core.training.process_group import SingleRank
from core.training.randomness import seed_global_draws


class RunState:
    """Model, optimiser and number of steps, on one device; identical on all ranks.

    Exception: running batch statistics that are not synchronised. Checkpoints and the encoder contain those
    of rank 0. They are not used in training.
    """

    def __init__(
        self, config: PretrainConfig, facts: Mapping[str, Any], engine: Engine, ranks: SingleRank
    ) -> None:
        seed_global_draws(config.run.seed, "initialisation")
        self.facts = dict(facts)
        self.step = 0
        self.last_loss: float | None = None
        self.engine, self.ranks = engine, ranks
        self.model = SpatialTemporalConsistency(config, gather=ranks.gather).to(engine.device).train()
        self.optimiser = optimiser_for(self.model.query, config.optimiser)

    def to_checkpoint(self) -> Checkpoint:
        """Return a checkpoint with everything needed for a bit-identical resume."""
        return Checkpoint(
            step=self.step,
            tensors={
                "model": self.model.state_dict(),
                "optimiser": optimiser_state(self.model.query, self.optimiser),
            },
            facts={**self.facts, "circumstances": self._circumstances(), "last_loss": self.last_loss},
        )

    def restore(self, checkpoint: Checkpoint) -> list[str]:
        """Restore a checkpoint; returns remarks for the log.

        Raises:
            CheckpointError: it belongs to a run of another configuration or corpus.
        """
        config = with_defaults_for_new_settings(checkpoint.facts.get("config"), PretrainConfig)
        found = list(fact_differences({**checkpoint.facts, "config": config}, self.facts))
        if found:
            raise CheckpointError(
                f"The checkpoint of step {checkpoint.step} belongs to another run "
                f"({'; '.join(found)}). Start from the beginning, without it."
            )
        self.model.load_state_dict(checkpoint.tensors["model"])
        restore_optimiser_state(self.model.query, self.optimiser, checkpoint.tensors["optimiser"])
        self.step, self.last_loss = checkpoint.step, checkpoint.facts.get("last_loss")
        return [
            f"Resuming from step {self.step}.",
            *other_circumstances(checkpoint.facts, self._circumstances()),
        ]

    def _circumstances(self) -> dict[str, Any]:
        return self.engine.circumstances(num_ranks=self.ranks.num_ranks)


def other_circumstances(facts: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a remark if a checkpoint was saved with other hardware or settings that affect rounding.

    Empty if they are equal or were not recorded.
    """
    before = facts.get("circumstances")
    if before is None or before == now:
        return []
    return [
        f"The checkpoint was saved with {before}, but this run has {now}: results will be close but not "
        "bit-identical."
    ]


def fact_differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield each fact of `here` with another value in `there`, by its dotted name."""
    for name, value in here.items():
        other = there.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from fact_differences(other, value, f"{prefix}{name}.")
        elif other != value:
            yield f"{prefix}{name} is {other!r} in the checkpoint and {value!r} here"
