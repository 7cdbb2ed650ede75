"""Post-norm transformer over the frames of a body part (paper, section III-A).

There is no positional encoding; order comes from the part network's temporal convolutions.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from core.encoders.layers import DotProductAttention, Linear, TokenNorm
from core.encoders.pass_context import DropoutPlace, PassContext

_NORM_EPS = 1e-12


class TransformerBlock(nn.Module):
    """Self-attention and a GELU feed-forward layer, each followed by residual and layer norm."""

    def __init__(
        self, width: int, *, num_attention_heads: int, feed_forward_width: int, dropout: float
    ) -> None:
        super().__init__()
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.attention = DotProductAttention(num_heads=num_attention_heads)
        self.attended = Linear(width, width)
        self.attention_norm = TokenNorm(width, eps=_NORM_EPS)
        self.expand = Linear(width, feed_forward_width)
        self.contract = Linear(feed_forward_width, width)
        self.feed_forward_norm = TokenNorm(width, eps=_NORM_EPS)
        self.weight_dropout = DropoutPlace(dropout, rows_per_frame=num_attention_heads)
        self.attended_dropout = DropoutPlace(dropout)
        self.feed_forward_dropout = DropoutPlace(dropout)

    def forward(self, tokens: Float[Tensor, "B T C"], context: PassContext) -> Float[Tensor, "B T C"]:
        """Apply self-attention over frames and the feed-forward layer (section III-A)."""
        query, key, value = (layer(tokens, context) for layer in (self.query, self.key, self.value))
        mixed = self.attention(query, key, value, context, dropout=self.weight_dropout)
        attended = self.attended(mixed, context)
        tokens = self.attention_norm(attended, context, dropout=self.attended_dropout, residual=tokens)
        expanded = functional.gelu(self.expand(tokens, context))
        contracted = self.contract(expanded, context)
        return self.feed_forward_norm(contracted, context, dropout=self.feed_forward_dropout, residual=tokens)


class TemporalTransformer(nn.Module):
    """Input layer norm, then transformer blocks."""

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
        self.input_norm = TokenNorm(width, eps=_NORM_EPS)
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
        """Apply the transformer over the T frames of each clip (section III-A)."""
        tokens = self.input_norm(tokens, context)
        for block in self.blocks:
            tokens = block(tokens, context)
        return tokens
