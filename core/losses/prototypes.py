"""Prediction of prototypes: a sample's views shall belong to the same learned prototypes (an option)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from core.losses.neighbours import mean_of

ASSIGNING_TEMPERATURE = 0.05
PREDICTING_TEMPERATURE = 0.1


def prototype_prediction(
    queries: Float[Tensor, "B D"],
    keys: Float[Tensor, "B D"],
    past: Float[Tensor, "K D"],
    prototypes: Float[Tensor, "P D"],
    key_prototypes: Float[Tensor, "P D"],
    rows: Bool[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Return the cross-entropy of the prototypes that queries predict with those that keys are assigned to.

    A prototype that many past keys are assigned to counts less, so that all are used: one round of the
    balancing of SwAV (Caron et al., 2020), over the key queue instead of the batch. Each sample's assignment
    therefore does not depend on the other samples of its batch. Assignments carry no gradient. Of the batch
    only `rows` count; None: all.
    """
    with torch.no_grad():
        directions = functional.normalize(key_prototypes, dim=1).T  # (D, P)
        use = (past @ directions / ASSIGNING_TEMPERATURE).logsumexp(dim=0)  # (P,)
        assigned = (keys @ directions / ASSIGNING_TEMPERATURE - use).softmax(dim=1)  # (B, P)
    predicted = queries @ functional.normalize(prototypes, dim=1).T / PREDICTING_TEMPERATURE
    costs = functional.cross_entropy(predicted, assigned, reduction="none")  # (B,)
    return costs.mean() if rows is None else mean_of(costs, rows)
