"""Post-norm transformer over the frames of a part (paper, section III-A).

There is no positional encoding: order comes from the part network's temporal convolutions.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

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
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """Let every frame look at every frame."""
        attended = self.dropout(self.attended(self._attend(tokens)))
        tokens = self.attention_norm(tokens + attended)
        expanded = self.contract(functional.gelu(self.expand(tokens)))
        return self.feed_forward_norm(tokens + self.dropout(expanded))

    def _attend(self, tokens: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        def heads(projected: Tensor) -> Tensor:
            return projected.unflatten(-1, (self.num_attention_heads, -1)).transpose(1, 2)  # (B, H, T, C/H)

        mixed = functional.scaled_dot_product_attention(
            heads(self.query(tokens)),
            heads(self.key(tokens)),
            heads(self.value(tokens)),
            dropout_p=self.dropout.p if self.training else 0.0,
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
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(
                    width,
                    num_attention_heads=num_attention_heads,
                    feed_forward_width=feed_forward_width,
                    dropout=dropout,
                )
                for _ in range(num_blocks)
            )
        )

    def forward(self, tokens: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """Relate frames to each other."""
        return self.blocks(self.input_norm(tokens))
