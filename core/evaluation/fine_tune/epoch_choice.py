"""Model selection of fine-tuning: keeps the epoch with the best score on val; without val, the last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from core.evaluation.accuracy import rank_classes
from core.evaluation.fine_tune.classifier import Merge


@dataclass(frozen=True)
class BestEpoch:
    """The epoch (counted from 1) with the best val score so far, and its network."""

    epoch: int
    top1: float
    loss: float
    network: Mapping[str, Tensor]

    def facts(self) -> dict[str, Any]:
        """Return all fields except the network, for a checkpoint's manifest."""
        return {"epoch": self.epoch, "top1": self.top1, "loss": self.loss}


class EpochChoice:
    """Tracks the best epoch so far, and how many epochs have been scored."""

    def __init__(self) -> None:
        self.best: BestEpoch | None = None
        self.num_judged = 0

    def judge(
        self,
        epoch: int,
        network: Mapping[str, Tensor],
        scores: Float[Tensor, "V C"],
        labels: Int64[np.ndarray, " V"],
        *,
        merge: Merge,
    ) -> dict[str, float]:
        """Score an epoch on val, keep its network if it is the best so far, and return the metrics.

        Of epochs with equal top-1 the one with the lower loss is kept.
        """
        logarithms = scores if merge == "mean_of_logits" else scores.clamp(min=1e-30).log()
        loss = float(functional.cross_entropy(logarithms, torch.from_numpy(labels)))
        top1 = float(rank_classes(scores.numpy(), labels).top1.mean())
        self.num_judged = epoch
        if self.best is None or (top1, -loss) > (self.best.top1, -self.best.loss):
            copied = {name: each.cpu().clone() for name, each in network.items()}
            self.best = BestEpoch(epoch, top1, loss, copied)
        return {"val_top1": top1, "val_loss": loss}

    def state(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Return tensors by file and facts for a checkpoint, from which `restore` continues."""
        if self.best is None:
            return {}, {"best": None, "judged_epochs": self.num_judged}
        facts = {"best": self.best.facts(), "judged_epochs": self.num_judged}
        return {"best": dict(self.best.network)}, facts

    def restore(self, tensors: Mapping[str, dict[str, Tensor]], facts: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.num_judged = facts["judged_epochs"]
        if facts["best"] is not None:
            self.best = BestEpoch(**facts["best"], network=tensors["best"])
