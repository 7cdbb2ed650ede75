"""Affine maps of the plane, one for each clip and joint.

Scaling, shearing, zeroing, mirroring and shifting are all affine maps, and so is any chain of them. A point
takes two products, for any chain.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

_HALF = 32
_LOWER_HALF = (1 << _HALF) - 1


@dataclass(frozen=True)
class PlaneMaps:
    """Maps p -> straight p + crossed p' + shift, where p' is p with x and y swapped; elementwise products.

    The matrix is [[straight x, crossed x], [crossed y, straight y]]. V may be 1: one map for all joints.
    A shift of None is no shift.
    """

    straight: Float32[Tensor, "B V 2"]
    crossed: Float32[Tensor, "B V 2"]
    shift: Float32[Tensor, "B V 2"] | None = None

    @classmethod
    def of_matrices(cls, matrices: Float32[Tensor, "B V 2 2"]) -> "PlaneMaps":
        """Make maps from matrices that multiply points (x, y) as column vectors."""
        entries = matrices.flatten(2)  # (B, V, 4)
        return cls(entries[..., ::3], entries[..., 1:3])

    @classmethod
    def where(cls, chosen: Bool[Tensor, "B V"], first: "PlaneMaps", second: "PlaneMaps") -> "PlaneMaps":
        """Return the maps of `first` where `chosen` is true, else those of `second`."""
        chosen = chosen.unsqueeze(2)
        shift = None
        if first.shift is not None or second.shift is not None:
            shift = torch.where(chosen, first._shift_or_zero, second._shift_or_zero)
        return cls(
            torch.where(chosen, first.straight, second.straight),
            torch.where(chosen, first.crossed, second.crossed),
            shift,
        )

    @property
    def _shift_or_zero(self) -> Float32[Tensor, "B V 2"]:
        return torch.zeros_like(self.straight) if self.shift is None else self.shift

    @property
    def _is_not_constant(self) -> Bool[Tensor, "B V 1"]:
        """Which maps are not constant."""
        return ((self.straight != 0) | (self.crossed != 0)).any(dim=2, keepdim=True)

    def each(self, change: Callable[[Tensor], Tensor]) -> "PlaneMaps":
        """Apply `change` to all tensors, for example to select joints."""
        return PlaneMaps(
            change(self.straight), change(self.crossed), None if self.shift is None else change(self.shift)
        )

    def select_clips(self, clips: slice) -> "PlaneMaps":
        """Return the maps of some clips."""
        return self.each(lambda numbers: numbers[clips])

    def of_joints(self, joints: slice) -> "PlaneMaps":
        """Return the maps of some joints."""
        return self.each(lambda numbers: numbers[:, joints])

    def to(self, device: torch.device) -> "PlaneMaps":
        """Copy to a device, asynchronously."""
        return self.each(lambda numbers: numbers.to(device, non_blocking=True))

    def after(self, first: "PlaneMaps") -> "PlaneMaps":
        """Compose: `first`, then this map."""
        moved = (
            self.straight * first._shift_or_zero
            + self.crossed * first._shift_or_zero.flip(2)
            + self._shift_or_zero
        )
        return PlaneMaps(
            self.straight * first.straight + self.crossed * first.crossed.flip(2),
            self.straight * first.crossed + self.crossed * first.straight.flip(2),
            moved,
        )

    def about(self, centre: float) -> "PlaneMaps":
        """Move the fixed point from the origin to (centre, centre); maps to the origin stay unchanged."""
        moved = centre * (1 - self.straight - self.crossed) * self._is_not_constant
        return PlaneMaps(self.straight, self.crossed, self._shift_or_zero + moved)

    def then_mirrored(self) -> "PlaneMaps":
        """Compose: this map, then x -> 1 - x; maps to the origin stay unchanged."""
        sign, edge = torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 0.0]) * self._is_not_constant
        return PlaneMaps(self.straight * sign, self.crossed * sign, self._shift_or_zero * sign + edge)

    def apply_(self, points: Float32[Tensor, "B T V 2"]) -> Float32[Tensor, "B T V 2"]:
        """Map the points of all frames in place; points at (0, 0) are missing and stay there.

        All operations are elementwise, so the last bit of a result does not depend on the batch.
        """
        missing = (points == 0).all(dim=3, keepdim=True)
        swapped = _swap_xy(points).mul_(self.crossed.unsqueeze(1))
        points.mul_(self.straight.unsqueeze(1)).add_(swapped)
        if self.shift is not None:
            points.add_(self.shift.unsqueeze(1)).masked_fill_(missing, 0.0)
        return points


def _swap_xy(points: Float32[Tensor, "B T V 2"]) -> Float32[Tensor, "B T V 2"]:
    """Swap x and y of every point: like `flip`, but faster, by rotating both as one 64-bit number."""
    pairs = points.view(torch.int64)
    lower = (pairs >> _HALF).bitwise_and_(_LOWER_HALF)
    return (pairs << _HALF).bitwise_or_(lower).view(torch.float32)
