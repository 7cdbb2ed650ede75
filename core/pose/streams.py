"""The two streams of a pose sequence: joint (the points themselves) and motion (paper, section III-A)."""

import torch
from jaxtyping import Float
from torch import Tensor

STREAMS = ("joint", "motion")


def streams(points: Float[Tensor, "B T V C"]) -> dict[str, Float[Tensor, "B T V C"]]:
    """Both streams of the same points, by name."""
    return {"joint": points, "motion": motion(points)}


def motion(points: Float[Tensor, "B T V C"]) -> Float[Tensor, "B T V C"]:
    """Forward difference in time: m_t = x_{t+1} - x_t, the last frame 0.

    Departs from the paper: it takes the backward difference with the first frame 0; the released code, which
    made the published checkpoints, takes this one.
    """
    # a slice of T - 1 frames would keep exported graphs from taking T = 2
    longer = torch.cat([points, points[:, -1:]], dim=1)  # (B, T + 1, V, C)
    return longer[:, 1:] - points
