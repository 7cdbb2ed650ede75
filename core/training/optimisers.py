"""Creates the optimiser of a run, and converts its state to and from a checkpoint's named tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from core.specs.pretraining import OptimiserConfig

_MOMENTUM = "momentum_buffer"
_ADAMW_STATE = ("step", "exp_avg", "exp_avg_sq")


def optimiser_for(network: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Create SGD with momentum, or AdamW (Loshchilov and Hutter, 2019), for all parameters."""
    parameters = list(network.parameters())
    if config.algorithm == "adamw":
        return torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.SGD(
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
