"""Our optimisers are PyTorch's, to the bit, and do not load its compiler."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from core.training.optimisers import LBFGS, SGD, AdamW

ALGORITHMS: dict[str, tuple[type[torch.optim.Optimizer], type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "fused": True}),
    "adamw": (AdamW, torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.01, "fused": True}),
    "lbfgs": (LBFGS, torch.optim.LBFGS, {"max_iter": 5, "line_search_fn": "strong_wolfe"}),
}
ONE_STEP = """
import sys, torch
from core.training.optimisers import LBFGS, SGD, AdamW
for kind, options in (
    (SGD, {"momentum": 0.9, "fused": True}),
    (AdamW, {"fused": True}),
    (LBFGS, {"line_search_fn": "strong_wolfe"}),
):
    weight = torch.ones(3, requires_grad=True)
    optimiser = kind([weight], lr=0.1, **options)
    def loss():
        optimiser.zero_grad()
        value = weight.square().sum()
        value.backward()
        return value
    loss()
    optimiser.step(loss)
    assert not weight.grad.requires_grad and float(weight.detach().sum()) < 3
sys.exit("loaded the compiler" if "torch._dynamo" in sys.modules else 0)
"""


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_step_is_pytorchs_own(algorithm: str) -> None:
    ours, theirs, options = ALGORITHMS[algorithm]
    assert torch.equal(trained(ours, options), trained(theirs, options))


@pytest.mark.slow
def test_a_step_does_not_load_the_compiler() -> None:
    finished = subprocess.run([sys.executable, "-c", ONE_STEP], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def trained(kind: type[torch.optim.Optimizer], options: dict[str, Any]) -> torch.Tensor:
    """The weights of a small network after four steps."""
    random = torch.Generator().manual_seed(0)
    network = nn.Linear(5, 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=random))
    points = torch.rand(8, 5, generator=random)
    optimiser = kind(network.parameters(), **options)

    def loss() -> float:
        optimiser.zero_grad(set_to_none=True)
        value = network(points).square().mean()
        value.backward()
        return float(value.detach())

    closure: Callable[[], float] = loss
    for _ in range(4):
        closure()
        optimiser.step(closure)
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
