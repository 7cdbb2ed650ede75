"""Creates the optimiser of a run, and converts its state to and from a checkpoint's named tensors.

The classes are PyTorch's own, less the marks that tell its compiler to leave them alone. At their first call
the marks load the compiler, which takes as long as loading PyTorch, and no optimiser is compiled here.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from core.specs.pretraining import OptimiserConfig

_MOMENTUM = "momentum_buffer"
_ADAMW_STATE = ("step", "exp_avg", "exp_avg_sq")


class _Unmarked(torch.optim.Optimizer):
    """The methods that all optimisers share."""

    add_param_group: Any = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad: Any = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class SGD(_Unmarked, torch.optim.SGD):
    """Stochastic gradient descent with momentum."""

    step: Any = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class AdamW(_Unmarked, torch.optim.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    step: Any = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class LBFGS(_Unmarked, torch.optim.LBFGS):
    """Limited-memory BFGS, for convex problems without noise."""

    step: Any = torch.optim.LBFGS.step


def optimiser_for(network: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Create SGD with momentum, or AdamW, for all parameters."""
    parameters = list(network.parameters())
    if config.algorithm == "adamw":
        return AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    return SGD(
        parameters,
        lr=config.learning_rate,
        momentum=config.sgd_momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )


def optimiser_state(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state of each parameter; empty before the first step.

    SGD's momentum has the parameter's name; AdamW's tensors have `<parameter>:<state>`.
    """
    return {
        _named(name, kind): value
        for name, parameter in network.named_parameters()
        for kind in (_MOMENTUM, *_ADAMW_STATE)
        if (value := optimiser.state[parameter].get(kind)) is not None
    }


def restore_optimiser_state(
    network: nn.Module, optimiser: torch.optim.Optimizer, memory: Mapping[str, Tensor]
) -> None:
    """Restore the state that `optimiser_state` returned."""
    for name, parameter in network.named_parameters():
        for kind in (_MOMENTUM, *_ADAMW_STATE):
            if (value := memory.get(_named(name, kind))) is not None:
                optimiser.state[parameter][kind] = value.to(parameter.device)


def _named(parameter: str, kind: str) -> str:
    return parameter if kind == _MOMENTUM else f"{parameter}:{kind}"
