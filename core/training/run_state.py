"""The state of a pretraining run, and how it goes into a checkpoint and comes back."""

from collections.abc import Iterator, Mapping
from typing import Any

from core.contrast.stc import SpatialTemporalConsistency
from core.errors import CheckpointError
from core.specs.pretraining import PretrainConfig
from core.specs.saved_settings import with_defaults_for_new_settings
from core.training.checkpoint import Checkpoint
from core.training.engine import Engine
from core.training.optimisers import optimiser_for, optimiser_memory, restore_memory
from core.training.process_group import SingleRank
from core.training.randomness import seed_global_draws


class RunState:
    """Model, optimiser and the number of steps taken, on one device. All ranks of a run have the same.

    (Except for running batch statistics, where those are not synchronised: a checkpoint holds rank 0's, and
    with it the encoder. They take no part in training.)
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
        """Everything needed to go on as if nothing had happened."""
        return Checkpoint(
            step=self.step,
            tensors={
                "model": self.model.state_dict(),
                "optimiser": optimiser_memory(self.model.query, self.optimiser),
            },
            facts={**self.facts, "circumstances": self._circumstances(), "last_loss": self.last_loss},
        )

    def restore(self, checkpoint: Checkpoint) -> list[str]:
        """Go on from a checkpoint; returns what a person should know about that.

        Raises:
            CheckpointError: it belongs to a run of another configuration or corpus.
        """
        config = with_defaults_for_new_settings(checkpoint.facts.get("config"), PretrainConfig)
        found = list(fact_differences({**checkpoint.facts, "config": config}, self.facts))
        if found:
            raise CheckpointError(
                f"The checkpoint of step {checkpoint.step} belongs to another run "
                f"({'; '.join(found)}). "
                "Start again without it."
            )
        self.model.load_state_dict(checkpoint.tensors["model"])
        restore_memory(self.model.query, self.optimiser, checkpoint.tensors["optimiser"])
        self.step, self.last_loss = checkpoint.step, checkpoint.facts.get("last_loss")
        return [
            f"Going on from step {self.step}.",
            *other_circumstances(checkpoint.facts, self._circumstances()),
        ]

    def _circumstances(self) -> dict[str, Any]:
        return self.engine.circumstances(num_ranks=self.ranks.num_ranks)


def other_circumstances(facts: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What a person should know where a checkpoint with these facts was saved under other circumstances.

    Nothing where they are the same, or were not noted.
    """
    before = facts.get("circumstances")
    if before is None or before == now:
        return []
    return [f"It was saved with {before}, this is {now}: the end will be close, not the same bytes."]


def fact_differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Each fact of `here` that is another one there, by its dotted name."""
    for name, value in here.items():
        other = there.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from fact_differences(other, value, f"{prefix}{name}.")
        elif other != value:
            yield f"{prefix}{name} is {other!r} there and {value!r} here"
