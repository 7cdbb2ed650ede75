"""Skeleton of a clip: the 49 joints, their parts, and the graph of each part.

Canonical order, on disk and in memory: right hand 0..20, left hand 21..41, trunk 42..48. A hand is wrist,
thumb 1-4, index 1-4, middle 1-4, ring 1-4, little 1-4; the trunk is nose, then left shoulder, elbow, wrist,
then right shoulder, elbow, wrist.
"""

from dataclasses import dataclass, replace
from typing import Literal

NUM_JOINTS = 49
NUM_HAND_JOINTS = 21
NUM_TRUNK_JOINTS = 7
RIGHT_HAND = slice(0, 21)
LEFT_HAND = slice(21, 42)
HANDS = slice(0, 42)
TRUNK = slice(42, 49)
NOSE, LEFT_ARM, RIGHT_ARM = slice(42, 43), slice(43, 46), slice(46, 49)
"""The parts of the trunk."""
MIRRORED_PARTS = (LEFT_HAND, RIGHT_HAND, NOSE, RIGHT_ARM, LEFT_ARM)
"""For each part, in order, the part that takes its place in a mirror image."""
LEFT_SHOULDER, RIGHT_SHOULDER = 1, 4
"""Indices among the trunk's joints."""

COCO_WHOLEBODY_JOINTS = (*range(112, 133), *range(91, 112), 0, 5, 7, 9, 6, 8, 10)
"""For each of the 49 joints, its index among COCO-WholeBody's 133."""

Link = tuple[int, int]


@dataclass(frozen=True)
class PartSkeleton:
    """Graph of one part: a tree of joints, symmetric links, and the sub-parts it is pooled into.

    * `child_links`: (child, parent) pairs; the parent is nearer to the centre.
    * `sub_parts`: joints of each node of the pooled graph.
    * `pooled_child_links`, `pooled_symmetric_links`: links of the pooled graph.
    * `pooled_centre`: pooled node from which distances are counted. None: all distances are 0, as in the
      released code.

    The released pooled trunk links nose and right arm to the left arm, not both arms to the nose.
    """

    name: Literal["hand", "trunk"]
    num_joints: int
    centre: int
    child_links: tuple[Link, ...]
    symmetric_links: tuple[Link, ...]
    sub_parts: tuple[tuple[int, ...], ...]
    pooled_centre: int | None
    pooled_child_links: tuple[Link, ...]
    pooled_symmetric_links: tuple[Link, ...]


def _finger(finger: int) -> list[int]:
    return [1 + 4 * finger + depth for depth in range(4)]


_PALM = 5

HAND = PartSkeleton(
    name="hand",
    num_joints=NUM_HAND_JOINTS,
    centre=0,
    child_links=tuple(
        (joint, parent)
        for finger in range(5)
        for joint, parent in zip(_finger(finger), [0, *_finger(finger)], strict=False)
    ),
    symmetric_links=tuple(
        (joint, neighbour)
        for finger in range(4)
        for joint, neighbour in zip(_finger(finger), _finger(finger + 1), strict=True)
    ),
    sub_parts=(*(tuple(_finger(finger)[1:]) for finger in range(5)), (0, 1, 5, 9, 13, 17)),
    pooled_centre=_PALM,
    pooled_child_links=tuple((finger, _PALM) for finger in range(5)),
    pooled_symmetric_links=tuple((finger, finger + 1) for finger in range(4)),
)

TRUNK_PART = PartSkeleton(
    name="trunk",
    num_joints=NUM_TRUNK_JOINTS,
    centre=0,
    child_links=((1, 0), (2, 1), (3, 2), (4, 0), (5, 4), (6, 5)),
    symmetric_links=((1, 4), (2, 5), (3, 6)),
    sub_parts=((1, 2, 3), (4, 5, 6), (0,)),
    pooled_centre=None,
    pooled_child_links=((1, 0), (2, 0)),
    pooled_symmetric_links=((0, 1),),
)

_POOLED_NOSE = 2

REPAIRED_TRUNK_PART = replace(
    TRUNK_PART, pooled_centre=_POOLED_NOSE, pooled_child_links=((0, _POOLED_NOSE), (1, _POOLED_NOSE))
)
"""The trunk with a pooled graph that links both arms to the nose; see `EncoderConfig.pooled_trunk_graph`."""
