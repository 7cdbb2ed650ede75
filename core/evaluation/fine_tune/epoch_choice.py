"""Choosing an epoch of fine-tuning by the val clips' labels; without val, the last one stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from core.evaluation.accuracy import ranked
from core.evaluation.fine_tune.classifier import Merge


@dataclass(frozen=True)
class BestEpoch:
    """The epoch (counted from 1) that has scored best on val so far, and the network as it was then."""

    epoch: int
    top1: float
    loss: float
    network: Mapping[str, Tensor]

    def facts(self) -> dict[str, Any]:
        """All but the network."""
        return {"epoch": self.epoch, "top1": self.top1, "loss": self.loss}


class EpochChoice:
    """The best epoch so far, and how many have been judged."""

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
        """Keep a network that scores val clips so, if none before scored higher, and return the numbers.

        Of epochs with equal top-1 the one with the lower loss is kept.
        """
        logarithms = scores if merge == "mean_of_logits" else scores.clamp(min=1e-30).log()
        loss = float(functional.cross_entropy(logarithms, torch.from_numpy(labels)))
        top1 = float(ranked(scores.numpy(), labels).top1.mean())
        self.num_judged = epoch
        if self.best is None or (top1, -loss) > (self.best.top1, -self.best.loss):
            copied = {name: each.cpu().clone() for name, each in network.items()}
            self.best = BestEpoch(epoch, top1, loss, copied)
        return {"val_top1": top1, "val_loss": loss}

    def state(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Tensors by file and facts from which `restore` goes on."""
        if self.best is None:
            return {}, {"best": None, "judged_epochs": self.num_judged}
        facts = {"best": self.best.facts(), "judged_epochs": self.num_judged}
        return {"best": dict(self.best.network)}, facts

    def restore(self, tensors: Mapping[str, dict[str, Tensor]], facts: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.num_judged = facts["judged_epochs"]
        if facts["best"] is not None:
            self.best = BestEpoch(**facts["best"], network=tensors["best"])
