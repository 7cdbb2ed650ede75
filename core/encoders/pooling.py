"""Attention pooling of tokens into one feature (paper, section III-A)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

HIDDEN_SCORE = -1e9
"""Finite, so that a clip with all tokens masked gets their mean instead of NaN."""


class AttentionPooling(nn.Module):
    """Attention pooling: sum of tokens, weighted by the softmax of a linear score (paper, section III-A)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(
        self, tokens: Float[Tensor, "B P T C"], visible: Bool[Tensor, "B P T"] | None = None
    ) -> Float[Tensor, "B C"]:
        """Pool the tokens of P body parts and T frames; tokens that are not `visible` have weight 0.

        Computed in the precision of the weights.
        """
        tokens = tokens.to(self.score.weight.dtype)
        scores = self.score(tokens).flatten(1, 2)  # (B, N, 1)
        if visible is not None:
            scores = scores.masked_fill(~visible.flatten(1).unsqueeze(-1), HIDDEN_SCORE)
        return (scores.softmax(dim=1) * tokens.flatten(1, 2)).sum(dim=1)


class SegmentPooling(nn.Module):
    """Attention pooling within each of several equal time segments, joined by a linear layer.

    The feature therefore depends on the order of segments. Departs from the paper, which pools over the whole
    view. A segment without visible tokens is zero.
    """

    def __init__(self, width: int, *, num_segments: int) -> None:
        super().__init__()
        self.num_segments = num_segments
        self.score = nn.Linear(width, 1)
        self.join = nn.Linear(num_segments * width, width)

    def forward(
        self, tokens: Float[Tensor, "B P T C"], visible: Bool[Tensor, "B P T"] | None = None
    ) -> Float[Tensor, "B C"]:
        """Pool the tokens of P body parts and T frames; tokens that are not `visible` have weight 0.

        Computed in the precision of the weights.
        """
        tokens = tokens.to(self.score.weight.dtype)
        shown = self._segments(tokens).unsqueeze(1)  # (S, 1, T)
        if visible is not None:
            shown = shown & visible.unsqueeze(1)  # (B, S, P, T)
        shown = shown.expand(tokens.shape[0], -1, tokens.shape[1], -1).flatten(2)  # (B, S, N)
        scores = self.score(tokens).flatten(1).unsqueeze(1).masked_fill(~shown, HIDDEN_SCORE)
        weights = scores.softmax(dim=2) * shown  # (B, S, N)
        joined: Tensor = self.join((weights @ tokens.flatten(1, 2)).flatten(1))
        return joined

    def _segments(self, tokens: Float[Tensor, "B P T C"]) -> Bool[Tensor, "S T"]:
        """Return a mask of the frames of each segment."""
        num_frames = tokens.shape[2]
        segment = torch.arange(num_frames, device=tokens.device) * self.num_segments // num_frames
        return segment == torch.arange(self.num_segments, device=tokens.device).unsqueeze(1)


def pooling(width: int, *, num_segments: int) -> AttentionPooling | SegmentPooling:
    """Create the pooling for this number of time segments."""
    return AttentionPooling(width) if num_segments == 1 else SegmentPooling(width, num_segments=num_segments)
