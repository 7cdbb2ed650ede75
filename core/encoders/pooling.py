"""Attention pooling: many tokens to one feature (paper, section III-A)."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

_HIDDEN_SCORE = -1e9
"""Finite, so that a clip whose tokens are all hidden gets their plain mean instead of NaN."""


class AttentionPooling(nn.Module):
    """A linear layer scores the tokens; their softmax weighs the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(
        self, tokens: Float[Tensor, "B N C"], visible: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B C"]:
        """Pool the tokens; those that are not `visible` weigh nothing."""
        scores = self.score(tokens)  # (B, N, 1)
        if visible is not None:
            scores = scores.masked_fill(~visible.unsqueeze(-1), _HIDDEN_SCORE)
        return (scores.softmax(dim=1) * tokens).sum(dim=1)
