"""Joint and motion streams of a pose sequence (paper, section III-A)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.pose.skeleton import HANDS, LEFT_SHOULDER, NUM_HAND_JOINTS, RIGHT_SHOULDER, TRUNK
from core.specs.pretraining import EncoderConfig

STREAMS = ("joint", "motion")

CROP_CENTRE = 0.5
HAND_SIZE = 0.2
"""Root mean square of a hand's coordinates about their mean, in fractions of its crop, as of real hands."""
SMALLEST_HAND = 0.02
"""Smallest such root mean square that is scaled up; below, points are hardly more than noise."""
NARROWEST_SHOULDERS = 0.02
"""Minimum shoulder width as a fraction of the image; narrower shoulders were not detected or are occluded."""


def streams(
    points: Float[Tensor, "B T 49 2"], hand_visible: Bool[Tensor, "B T 2"], config: EncoderConfig
) -> dict[str, Float[Tensor, "B T 49 2"]]:
    """Return the streams of `config.streams` by name, with the settings of `config` applied.

    `hand_visible`: frames in which the right and the left hand are visible.
    """
    masked = config.missing_hands == "masked"
    if config.hand_origin == "points":
        points = torch.cat([about_own_points(points[:, :, HANDS]), points[:, :, TRUNK]], dim=2)
    if config.trunk_origin == "shoulders":
        points = torch.cat([points[:, :, HANDS], about_shoulders(points[:, :, TRUNK])], dim=2)
    if masked:
        points = _hands_shown(points, hand_visible, centre=CROP_CENTRE)
    made = {"joint": points}
    if "motion" in config.streams:
        backward = config.motion_difference == "backward"
        moved = motion(points, backward=backward)
        if masked:
            moved = _hands_shown(moved, _stays(hand_visible, backward=backward))
        made["motion"] = moved
    return {stream: made[stream] for stream in config.streams}


def motion(points: Float[Tensor, "B T V C"], *, backward: bool = False) -> Float[Tensor, "B T V C"]:
    """Return the forward difference in time, m_t = x_{t+1} - x_t, with the last frame 0.

    With `backward`: m_t = x_t - x_{t-1}, with the first frame 0. The paper uses the backward difference. The
    released code, which made the published checkpoints, uses the forward difference.
    """
    if backward:
        return points - torch.cat([points[:, :1], points], dim=1)[:, :-1]
    # With a slice of T - 1 frames, exported graphs could not take T = 2.
    return torch.cat([points, points[:, -1:]], dim=1)[:, 1:] - points


def about_own_points(hands: Float[Tensor, "B T 42 2"]) -> Float[Tensor, "B T 42 2"]:
    """Put each frame's hand at the centre of its crop, in the size `HAND_SIZE`, by the points that are there.

    Points at (0, 0) are missing; they are put at the centre, but those of a hand without points stay. A hand
    that fades in from (0, 0), as between two frames of which one has it, gets the shape that it has.
    """
    each = hands.unflatten(2, (2, NUM_HAND_JOINTS))  # (B, T, 2, 21, 2)
    there = (each != 0).any(dim=-1, keepdim=True).to(each.dtype)
    count = there.sum(dim=3, keepdim=True)  # (B, T, 2, 1, 1)
    of_one = 1 / count.clamp(min=1)
    apart = (each - each.sum(dim=3, keepdim=True) * of_one) * there
    size = (apart.square().sum(dim=(3, 4), keepdim=True) * of_one / 2).sqrt()
    placed = HAND_SIZE * apart / size.clamp(min=SMALLEST_HAND) + CROP_CENTRE
    return (placed * (count > 0)).flatten(2, 3)


def about_shoulders(trunk: Float[Tensor, "B T 7 2"]) -> Float[Tensor, "B T 7 2"]:
    """Centre the trunk on the middle of its shoulders and scale it to shoulder widths, both frame means.

    A trunk without shoulders is unchanged.
    """
    left, right = trunk[:, :, LEFT_SHOULDER], trunk[:, :, RIGHT_SHOULDER]  # (B, T, 2)
    middle = ((left + right) / 2).mean(dim=1)  # (B, 2)
    width = (left - right).norm(dim=-1).mean(dim=1, keepdim=True)  # (B, 1)
    known = width > NARROWEST_SHOULDERS
    middle, width = torch.where(known, middle, 0.0), torch.where(known, width, 1.0)
    return (trunk - middle[:, None, None]) / width[:, None, None]


def lend_trunks(
    points: Float[Tensor, "B T 49 2"], has_trunk: Bool[Tensor, " B"] | None
) -> Float[Tensor, "B T 49 2"]:
    """Give clips without a trunk that of another clip of the batch, so that batch statistics see real ones.

    None: all clips have one. If no clip has one, nothing is changed.
    """
    if has_trunk is None:
        return points
    owners = (~has_trunk).to(torch.int8).argsort(stable=True)  # clips with a trunk first
    turn = torch.arange(len(points), device=points.device) % has_trunk.sum().clamp(min=1)
    lender = torch.where(has_trunk, torch.arange(len(points), device=points.device), owners[turn])
    return torch.cat([points[:, :, HANDS], points[lender][:, :, TRUNK]], dim=2)


def _hands_shown(
    points: Float[Tensor, "B T 49 2"], shown: Bool[Tensor, "B T 2"], *, centre: float = 0.0
) -> Float[Tensor, "B T 49 2"]:
    """Centre the hands, and set them to 0 in frames where they are not shown."""
    weights = shown.to(points.dtype).repeat_interleave(NUM_HAND_JOINTS, dim=2)  # (B, T, 42)
    hands = (points[:, :, HANDS] - centre) * weights.unsqueeze(-1)
    return torch.cat([hands, points[:, :, TRUNK]], dim=2)


def _stays(hand_visible: Bool[Tensor, "B T 2"], *, backward: bool) -> Bool[Tensor, "B T 2"]:
    """Return the frames whose motion is between two frames with the hand visible."""
    never = torch.zeros_like(hand_visible[:, :1])
    if backward:
        return torch.cat([never, hand_visible], dim=1)[:, :-1] & hand_visible
    return torch.cat([hand_visible, never], dim=1)[:, 1:] & hand_visible
