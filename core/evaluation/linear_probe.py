"""Linear probe: multinomial logistic regression on frozen features, solved to convergence by L-BFGS."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from core.training.optimisers import LBFGS

_MAX_ITERATIONS = 300
_CONSTANT = 1e-5
"""A feature whose deviation is below this fraction of its largest value counts as constant (rounding)."""


def linear_scores(
    train: Float[Tensor, "N D"],
    train_labels: Int64[Tensor, " N"],
    test: Float[Tensor, "M D"],
    *,
    num_classes: int,
    l2_penalty: float,
) -> Float[Tensor, "M C"]:
    """Fit logistic regression on the training features and return each test clip's logits.

    Features are standardised by the training set's mean and deviation; constant ones become 0. Minimises mean
    cross-entropy + l2_penalty / 2 * |W|^2. Weights start at zero, so the result does not depend on a seed.
    """
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    constant = deviation <= _CONSTANT * train.abs().amax(dim=0)
    deviation = deviation.masked_fill(constant, float("inf"))
    probe = _fitted((train - mean) / deviation, train_labels, num_classes=num_classes, l2_penalty=l2_penalty)
    with torch.no_grad():
        return probe((test - mean) / deviation)


def _fitted(
    features: Float[Tensor, "N D"], labels: Int64[Tensor, " N"], *, num_classes: int, l2_penalty: float
) -> nn.Linear:
    probe = nn.Linear(features.shape[1], num_classes, device=features.device, dtype=features.dtype)
    nn.init.zeros_(probe.weight)
    nn.init.zeros_(probe.bias)
    optimiser = LBFGS(
        probe.parameters(), max_iter=_MAX_ITERATIONS, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        fit = functional.cross_entropy(probe(features), labels)
        penalised = fit + l2_penalty / 2 * probe.weight.square().sum()
        penalised.backward()
        return penalised

    optimiser.step(loss)
    return probe
