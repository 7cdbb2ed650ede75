"""Batch norm over the nodes of a graph, fused with ReLU, dropout and residual (paper, section III-A)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from core.encoders.pass_context import DropoutPlace, PassContext
from core.kernels.batch_norm import Moments, Running, batch_moments, batch_norm, track_moments
from core.kernels.narrow_layer import Product, TrainingNorm, narrow_layer


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
        x: Unnormalised | Product,
        context: PassContext,
        *,
        relu: bool = False,
        dropout: DropoutPlace | None = None,
        residual: Float[Tensor, "V G R C"] | None = None,
    ) -> Float[Tensor, "V G R C"]:
        """Return relu(dropout(norm(x)) + residual); ReLU, dropout and residual are optional.

        `x` is a layer's output or, of a narrow layer in training, the product that makes it.

        Without a residual this equals dropout(relu(norm(x))), because masks are not negative.
        """
        if isinstance(x, Product):
            return self._multiplied(x, context, relu=relu, dropout=dropout, residual=residual)
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
        track_moments(self._running(x.left_out), moments, native=context.native)
        self._count_batches(len(moments.mean))
        return moments

    def _multiplied(
        self,
        x: Product,
        context: PassContext,
        *,
        relu: bool,
        dropout: DropoutPlace | None,
        residual: Float[Tensor, "V G R C"] | None,
    ) -> Float[Tensor, "V G R C"]:
        """Multiply and normalise by the batch's statistics in one pass."""
        assert self.training
        assert context.native is not None
        norm = TrainingNorm(
            self.weight, self.bias, self.eps, self._running(), context.all_reduce, context.num_ranks
        )
        self._count_batches(x.x.shape[1])
        return narrow_layer(
            x, norm, relu=relu, native=context.native, dropout=context.mask(dropout), residual=residual
        )

    def _running(self, left_out: Float[Tensor, " C"] | None = None) -> Running:
        assert self.running_mean is not None
        assert self.running_var is not None
        return Running(self.running_mean, self.running_var, self.momentum or 0.0, left_out)

    def _count_batches(self, num_groups: int) -> None:
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(num_groups)
