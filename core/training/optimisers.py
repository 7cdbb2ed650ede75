"""The optimiser of a run, and what it remembers, as named tensors of a checkpoint."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from core.specs.pretraining import OptimiserConfig

_MOMENTUM = "momentum_buffer"
_ADAMW_MEMORY = ("step", "exp_avg", "exp_avg_sq")


def optimiser_for(network: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """SGD with momentum, or AdamW (Loshchilov and Hutter, 2019), of all the network's parameters."""
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


def optimiser_memory(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers of each parameter, where there is anything yet: SGD's momentum under the
    parameter's name, AdamW's numbers under that and their own."""
    return {
        _named(name, kind): value
        for name, parameter in network.named_parameters()
        for kind in (_MOMENTUM, *_ADAMW_MEMORY)
        if (value := optimiser.state[parameter].get(kind)) is not None
    }


def restore_memory(
    network: nn.Module, optimiser: torch.optim.Optimizer, memory: Mapping[str, Tensor]
) -> None:
    """Give an optimiser what `optimiser_memory` read."""
    for name, parameter in network.named_parameters():
        for kind in (_MOMENTUM, *_ADAMW_MEMORY):
            if (value := memory.get(_named(name, kind))) is not None:
                optimiser.state[parameter][kind] = value.to(parameter.device)


def _named(parameter: str, kind: str) -> str:
    return parameter if kind == _MOMENTUM else f"{parameter}:{kind}"
