"""Views one step, one clip or one frame at a time, as loops and plain matrices."""

import numpy as np
import torch
from torch import Tensor

from core.augment.plane_maps import PlaneMaps

RIGHT, LEFT, TRUNK = slice(0, 21), slice(21, 42), slice(42, 49)
MIRRORED_TRUNK = [0, 4, 5, 6, 1, 2, 3]


def resized(clip: np.ndarray, start: int, length: int, frames: int) -> np.ndarray:
    rows = []
    for i in range(frames):
        place = min(max((i + 0.5) * length / frames - 0.5, 0), length - 1)
        low = int(np.floor(place))
        high = min(low + 1, length - 1)
        share = place - low
        rows.append(clip[start + low] * (1 - share) + clip[start + high] * share)
    return np.stack(rows)


def picked(mask: np.ndarray, start: int, length: int, frames: int) -> np.ndarray:
    return np.stack([mask[start + i * length // frames] for i in range(frames)])


def matrices_of(maps: PlaneMaps) -> Tensor:
    """Linear maps as matrices (B, V, 2, 2)."""
    (a, d), (b, c) = maps.straight.unbind(-1), maps.crossed.unbind(-1)
    return torch.stack([torch.stack([a, b], dim=-1), torch.stack([c, d], dim=-1)], dim=-2)


def placed(points: Tensor, placement: Tensor) -> Tensor:
    """Scale the trunk about the image centre, then shift it."""
    points = points.clone()
    scale, shift = placement[:, None, None, :1], placement[:, None, None, 1:]
    points[:, :, TRUNK] = (points[:, :, TRUNK] - 0.5) * scale + 0.5 + shift
    return points


def transformed(points: Tensor, matrices: Tensor) -> Tensor:
    return torch.einsum("bvij,btvj->btvi", matrices, points)


def swapped(points: Tensor, chosen: Tensor, *, mirror_trunk: bool) -> Tensor:
    """Right and left hand in each other's place; with `mirror_trunk`, x -> 1 - x and the arms too, but for
    joints at (0, 0), which are missing or zeroed."""
    points = points.clone()
    for clip in torch.nonzero(chosen).flatten().tolist():
        view = points[clip].clone()
        points[clip, :, RIGHT], points[clip, :, LEFT] = view[:, LEFT], view[:, RIGHT]
        if mirror_trunk:
            trunk = view[:, TRUNK][:, MIRRORED_TRUNK]
            missing = (trunk == 0).all(dim=-1)
            trunk[..., 0] = torch.where(missing, 0.0, 1 - trunk[..., 0])
            points[clip, :, TRUNK] = trunk
    return points
