"""Affine maps of the plane, one for each clip and joint.

Scaling, shearing, zeroing, mirroring and shifting are all of one form, and any chain of them is one map of
that form: two products a point, whatever was drawn.
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
    """p -> straight p + crossed p' + shift, where p' is p with x and y exchanged; products by coordinate.

    That is the matrix [[straight x, crossed x], [crossed y, straight y]]. V may be 1: the same for all.
    A shift of None shifts nothing.
    """

    straight: Float32[Tensor, "B V 2"]
    crossed: Float32[Tensor, "B V 2"]
    shift: Float32[Tensor, "B V 2"] | None = None

    @classmethod
    def of_matrices(cls, matrices: Float32[Tensor, "B V 2 2"]) -> "PlaneMaps":
        """A matrix times points (x, y) as column vectors."""
        entries = matrices.flatten(2)  # (B, V, 4)
        return cls(entries[..., ::3], entries[..., 1:3])

    @classmethod
    def where(cls, chosen: Bool[Tensor, "B V"], first: "PlaneMaps", second: "PlaneMaps") -> "PlaneMaps":
        """The first's map for what is chosen, else the second's."""
        chosen = chosen.unsqueeze(2)
        shift = None
        if first.shift is not None or second.shift is not None:
            shift = torch.where(chosen, first._moves, second._moves)
        return cls(
            torch.where(chosen, first.straight, second.straight),
            torch.where(chosen, first.crossed, second.crossed),
            shift,
        )

    @property
    def _moves(self) -> Float32[Tensor, "B V 2"]:
        return torch.zeros_like(self.straight) if self.shift is None else self.shift

    @property
    def _keeps_something(self) -> Bool[Tensor, "B V 1"]:
        """Which maps do not send every point to one place."""
        return ((self.straight != 0) | (self.crossed != 0)).any(dim=2, keepdim=True)

    def each(self, change: Callable[[Tensor], Tensor]) -> "PlaneMaps":
        """The maps whose numbers are `change` of these, such as some of the joints'."""
        return PlaneMaps(
            change(self.straight), change(self.crossed), None if self.shift is None else change(self.shift)
        )

    def select_clips(self, clips: slice) -> "PlaneMaps":
        """The maps of some clips."""
        return self.each(lambda numbers: numbers[clips])

    def of_joints(self, joints: slice) -> "PlaneMaps":
        """The maps of some joints."""
        return self.each(lambda numbers: numbers[:, joints])

    def to(self, device: torch.device) -> "PlaneMaps":
        """The same on a device, copied without waiting."""
        return self.each(lambda numbers: numbers.to(device, non_blocking=True))

    def after(self, first: "PlaneMaps") -> "PlaneMaps":
        """The map of `first`, then this one's."""
        moved = self.straight * first._moves + self.crossed * first._moves.flip(2) + self._moves
        return PlaneMaps(
            self.straight * first.straight + self.crossed * first.crossed.flip(2),
            self.straight * first.crossed + self.crossed * first.straight.flip(2),
            moved,
        )

    def about(self, centre: float) -> "PlaneMaps":
        """The same about (centre, centre) instead of the origin; what maps all to the origin still does."""
        moved = centre * (1 - self.straight - self.crossed) * self._keeps_something
        return PlaneMaps(self.straight, self.crossed, self._moves + moved)

    def then_mirrored(self) -> "PlaneMaps":
        """First this map, then x -> 1 - x; what maps all to the origin still does."""
        sign, edge = torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 0.0]) * self._keeps_something
        return PlaneMaps(self.straight * sign, self.crossed * sign, self._moves * sign + edge)

    def apply_(self, points: Float32[Tensor, "B T V 2"]) -> Float32[Tensor, "B T V 2"]:
        """Map every frame's points, in place; those at (0, 0) are missing and stay there.

        Each product and each sum is rounded by itself, so the last bit depends on nothing else in the batch.
        """
        missing = (points == 0).all(dim=3, keepdim=True)
        exchanged = _coordinates_exchanged(points).mul_(self.crossed.unsqueeze(1))
        points.mul_(self.straight.unsqueeze(1)).add_(exchanged)
        if self.shift is not None:
            points.add_(self.shift.unsqueeze(1)).masked_fill_(missing, 0.0)
        return points


def _coordinates_exchanged(points: Float32[Tensor, "B T V 2"]) -> Float32[Tensor, "B T V 2"]:
    """(y, x) of every (x, y): `flip`, but quick, by turning both at once as one 64-bit number."""
    pairs = points.view(torch.int64)
    lower = (pairs >> _HALF).bitwise_and_(_LOWER_HALF)
    return (pairs << _HALF).bitwise_or_(lower).view(torch.float32)
