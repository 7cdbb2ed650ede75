"""Post-norm transformer over the frames of a part (paper, section III-A).

There is no positional encoding: order comes from the part network's temporal convolutions.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from core.encoders.linear import linear
from core.encoders.pass_context import DropoutPlace, PassContext
from core.kernels.attention import attention
from core.kernels.layer_norm import add_layer_norm

_NORM_EPS = 1e-12


class TransformerBlock(nn.Module):
    """Self-attention and a GELU feed-forward part, each followed by residual and layer norm."""

    def __init__(
        self, width: int, *, num_attention_heads: int, feed_forward_width: int, dropout: float
    ) -> None:
        super().__init__()
        self.num_attention_heads = num_attention_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attended = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.expand = nn.Linear(width, feed_forward_width)
        self.contract = nn.Linear(feed_forward_width, width)
        self.feed_forward_norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.weight_dropout = DropoutPlace(dropout)
        self.attended_dropout = DropoutPlace(dropout)
        self.feed_forward_dropout = DropoutPlace(dropout)

    def forward(self, tokens: Float[Tensor, "B T C"], context: PassContext) -> Float[Tensor, "B T C"]:
        """Let every frame look at every frame."""
        num_frames = tokens.shape[1]
        attended = linear(self._attend(tokens, context), self.attended, context)
        dropout = self.attended_dropout(context, rows_per_clip=num_frames)
        tokens = add_layer_norm(
            attended,
            tokens,
            self.attention_norm.weight,
            self.attention_norm.bias,
            eps=_NORM_EPS,
            dropout=dropout,
            native=context.native,
        )
        expanded = functional.gelu(linear(tokens, self.expand, context))
        return add_layer_norm(
            linear(expanded, self.contract, context),
            tokens,
            self.feed_forward_norm.weight,
            self.feed_forward_norm.bias,
            eps=_NORM_EPS,
            dropout=self.feed_forward_dropout(context, rows_per_clip=num_frames),
            native=context.native,
        )

    def _attend(self, tokens: Float[Tensor, "B T C"], context: PassContext) -> Float[Tensor, "B T C"]:
        def heads(layer: nn.Linear) -> Tensor:
            projected = linear(tokens, layer, context)
            return projected.unflatten(-1, (self.num_attention_heads, -1)).transpose(1, 2)  # (B, H, T, C/H)

        rows_per_clip = self.num_attention_heads * tokens.shape[1]
        mixed = attention(
            heads(self.query),
            heads(self.key),
            heads(self.value),
            dropout=self.weight_dropout(context, rows_per_clip=rows_per_clip),
            native=context.native,
        )
        return mixed.transpose(1, 2).flatten(2)  # (B, T, C)


class TemporalTransformer(nn.Module):
    """An input layer norm, then transformer blocks."""

    def __init__(
        self,
        width: int,
        *,
        num_blocks: int,
        num_attention_heads: int,
        feed_forward_width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width,
                num_attention_heads=num_attention_heads,
                feed_forward_width=feed_forward_width,
                dropout=dropout,
            )
            for _ in range(num_blocks)
        )

    def forward(self, tokens: Float[Tensor, "B T C"], context: PassContext) -> Float[Tensor, "B T C"]:
        """Relate frames to each other."""
        norm = self.input_norm
        tokens = add_layer_norm(tokens, None, norm.weight, norm.bias, eps=_NORM_EPS, native=context.native)
        for block in self.blocks:
            tokens = block(tokens, context)
        return tokens
