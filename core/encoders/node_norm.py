"""Batch norm over the nodes of a graph, fused with ReLU, dropout and residual (paper, section III-A)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.encoders.pass_context import DropoutPlace, PassContext
from core.kernels.batch_norm import Moments, batch_moments, batch_norm


@dataclass(frozen=True)
class Unnormalised:
    """A layer's output before its batch norm, and the bias that is not included.

    `offsets`: a bias per node, which the norm adds. `left_out`: a bias common to all nodes. Batch statistics
    cancel it, so it only affects the running mean.
    """

    rows: Float[Tensor, "V G R C"]
    offsets: Float[Tensor, "V C"] | None = None
    left_out: Float[Tensor, " C"] | None = None


class NodeNorm(nn.BatchNorm1d):
    """Batch norm of (V, G, R, C): mean and variance per group and channel, over nodes and rows.

    Running statistics are updated with the groups one after the other, as separate calls would.
    """

    def forward(  # type: ignore[override]
        self,
        x: Unnormalised,
        context: PassContext,
        *,
        relu: bool = False,
        dropout: DropoutPlace | None = None,
        residual: Float[Tensor, "V G R C"] | None = None,
    ) -> Float[Tensor, "V G R C"]:
        """Return relu(dropout(norm(x)) + residual); ReLU, dropout and residual are optional.

        Without a residual this equals dropout(relu(norm(x))), because masks are not negative.
        """
        return batch_norm(
            x.rows,
            self._moments(x, context),
            self.weight,
            self.bias,
            eps=self.eps,
            relu=relu,
            offsets=x.offsets,
            dropout=context.mask(dropout),
            residual=residual,
            all_reduce=context.all_reduce,
            moves=self.training,
            native=context.native,
        )

    def _moments(self, x: Unnormalised, context: PassContext) -> Moments:
        """Return batch statistics in training, else the running ones."""
        if not self.training:
            assert self.running_mean is not None
            assert self.running_var is not None
            num_groups = x.rows.shape[1]
            return Moments(self.running_mean.repeat(num_groups, 1), self.running_var.repeat(num_groups, 1), 1)
        moments = batch_moments(
            x.rows,
            x.offsets,
            all_reduce=context.all_reduce,
            num_ranks=context.num_ranks,
            native=context.native,
        )
        self._update_running_statistics(moments, x.left_out)
        return moments

    @torch.no_grad()
    def _update_running_statistics(self, moments: Moments, left_out: Float[Tensor, " C"] | None) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        unbiased = moments.variance * (moments.count / max(moments.count - 1, 1))
        means = moments.mean if left_out is None else moments.mean + left_out
        for mean, variance in zip(means, unbiased, strict=True):
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum or 0.0)
            self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum or 0.0)
        self.num_batches_tracked.add_(len(moments.mean))
