"""Typed wrapper of `torch.autograd.Function.apply`, which has no type annotations."""

from torch import Tensor
from torch.autograd import Function


def differentiable(function: type[Function], *arguments: object) -> Tensor:
    """Apply `function`; gradients use its backward method."""
    result: Tensor = function.apply(*arguments)
    return result
