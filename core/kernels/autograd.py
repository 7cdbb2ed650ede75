"""A typed way to call an autograd function, whose own `apply` has no types."""

from torch import Tensor
from torch.autograd import Function


def differentiable(function: type[Function], *arguments: object) -> Tensor:
    """Apply `function`; its backward is used for gradients."""
    result: Tensor = function.apply(*arguments)
    return result
