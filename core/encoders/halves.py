"""What both hands do in each half of a clip: pieces of an embedding beside the pooled features.

Pooling and the layers before it forget much of a hand's shape. Frames of the hand network, and the points
themselves, keep it. Hands, both stored as right hands, are summed and differenced, so that either hand may
sign: the pieces of a clip and of its mirror image are equal.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from core.pose.skeleton import HANDS, NUM_HAND_JOINTS
from core.pose.streams import CROP_CENTRE, about_own_points

POINTS_WIDTH = 4 * 2 * NUM_HAND_JOINTS
"""Width of `by_halves` of hand points."""
_LEAST_DEVIATION = 0.1
"""Smallest deviation that is divided by, as a share of the piece's root mean square deviation: a feature that
hardly moved in pretraining must not outweigh the others if it moves later."""


def by_halves(hands: Float[Tensor, "B 2 T C"]) -> Float[Tensor, "B 4*C"]:
    """Return the sum and the absolute difference of both hands, each as its mean over both halves of a clip.

    Of an odd number of frames, the middle one belongs to both halves.
    """
    right, left = hands.unbind(dim=1)
    joined = torch.cat([right + left, (right - left).abs()], dim=-1)  # (B, T, 2C)
    num_frames = hands.shape[2]
    half = (num_frames + 1) // 2
    frames = torch.arange(num_frames, device=hands.device)
    shares = torch.stack([frames < half, frames >= num_frames - half]).to(hands.dtype) / half  # (2, T)
    return (shares @ joined).flatten(1)


def shown_hands(
    hands: Float[Tensor, "B 2 T C"], hand_visible: Bool[Tensor, "B T 2"]
) -> Float[Tensor, "B 2 T C"]:
    """Return the hands with 0 in frames where they are not visible."""
    return hands * hand_visible.transpose(1, 2).unsqueeze(-1).to(hands.dtype)


def placed_hands(points: Float[Tensor, "B T 49 2"]) -> Float[Tensor, "B 2 T 42"]:
    """Return coordinates of the right and the left hand, about their own points and in one size."""
    hands = about_own_points(points[:, :, HANDS]) - CROP_CENTRE
    return hands.unflatten(2, (2, NUM_HAND_JOINTS)).transpose(1, 2).flatten(3)


class Standardised(nn.Module):
    """Rows by the mean and deviation of the pretraining clips, of unit length."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @property
    def width(self) -> int:
        """Number of values of a row."""
        return len(self.mean)

    def fit(self, rows: Float[Tensor, "N D"]) -> None:
        """Take mean and deviation from the rows of many clips."""
        deviation, mean = torch.std_mean(rows.double(), dim=0, correction=0)
        least = _LEAST_DEVIATION * deviation.square().mean().sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.clamp(min=float(least)) if least > 0 else torch.ones_like(deviation))

    def forward(self, rows: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Standardise each row and scale it to unit length."""
        return functional.normalize((rows.float() - self.mean) / self.deviation, dim=1)
