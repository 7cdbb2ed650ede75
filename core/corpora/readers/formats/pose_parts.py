"""Map the points of a `.pose` file to COCO-WholeBody keypoints by their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Int64

from core.corpora.readers.formats.mediapipe_points import HIGHEST_VISIBILITY
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS, LEFT_HAND, NUM_HAND_JOINTS, RIGHT_HAND, TRUNK

_ARM = ("SHOULDER", "ELBOW", "WRIST")
_MEDIAPIPE = ("NOSE", *(f"LEFT_{joint}" for joint in _ARM), *(f"RIGHT_{joint}" for joint in _ARM))
_OPENPOSE = ("Nose", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist")
_COCO_BODY = tuple(name.lower() for name in _MEDIAPIPE)
_OF_MEDIAPIPE = "POSE_LANDMARKS"
_TRUNKS = {_OF_MEDIAPIPE: _MEDIAPIPE, "pose_keypoints_2d": _OPENPOSE, "BODY": _COCO_BODY}
"""Components that hold the trunk, and the names of its points in this project's order."""
_HANDS = {
    "LEFT_HAND_LANDMARKS": LEFT_HAND,
    "RIGHT_HAND_LANDMARKS": RIGHT_HAND,
    "hand_left_keypoints_2d": LEFT_HAND,
    "hand_right_keypoints_2d": RIGHT_HAND,
    "LEFT_HAND": LEFT_HAND,
    "RIGHT_HAND": RIGHT_HAND,
}
"""Components that hold a hand."""
_HAND_NAMES = (
    (
        "WRIST",
        *(f"THUMB_{joint}" for joint in ("CMC", "MCP", "IP", "TIP")),
        *(
            f"{finger}_{joint}"
            for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
            for joint in ("MCP", "PIP", "DIP", "TIP")
        ),
    ),
    (
        "BASE",
        *(f"T_{joint}" for joint in ("STT", "BCMC", "MCP", "IP")),
        *(f"{finger}_{joint}" for finger in "IMRP" for joint in ("CMC", "MCP", "PIP", "DIP")),
    ),
    tuple(f"hand_{number}" for number in range(NUM_HAND_JOINTS)),
)
"""A hand's points in this project's order: names of MediaPipe, OpenPose and COCO-WholeBody in pose-format."""
_COCO = np.array(COCO_WHOLEBODY_JOINTS)
_NUM_CHARACTERS = 40


class Component(Protocol):
    """A component of the pose-format library."""

    name: str
    points: list[str]


@dataclass(frozen=True)
class PartIndices:
    """Indices of the file's points, and of the corresponding COCO-WholeBody keypoints.

    `highest_confidence` is the limit of the estimator's confidences; None if it is unknown.
    """

    points: Int64[np.ndarray, " V"]
    coco: Int64[np.ndarray, " V"]
    highest_confidence: float | None


def part_indices(components: Sequence[Component], path: Path, report: ReadReport) -> PartIndices:
    """Find hands and trunk among a file's components; missing points stay unknown.

    Raises:
        CorpusError: no hand, or a hand that does not have 21 points.
    """
    names = [component.name for component in components]
    if _HANDS.keys().isdisjoint(names):
        raise CorpusError(
            f"{path} has no component of a hand ({', '.join(_HANDS)}); it has {', '.join(names)}."
        )
    pairs: list[tuple[int, int]] = []
    first = 0
    for component in components:
        pairs += [(first + index, coco) for index, coco in _of_component(component, path, report)]
        first += len(component.points)
    if not any(name in names for name in _TRUNKS):
        report.note("Some .pose files have only hands: the trunk is zero and not visible.")
    points, coco = np.array(pairs, dtype=np.int64).T
    return PartIndices(points, coco, HIGHEST_VISIBILITY if _OF_MEDIAPIPE in names else None)


def _of_component(component: Component, path: Path, report: ReadReport) -> list[tuple[int, int]]:
    if component.name in _HANDS:
        if len(component.points) != NUM_HAND_JOINTS:
            raise CorpusError(
                f"{path}: {component.name} must have {NUM_HAND_JOINTS} points; it has "
                f"{len(component.points)}."
            )
        order = _order_of_hand(component, report)
        return list(zip(order, _COCO[_HANDS[component.name]].tolist(), strict=True))
    trunk = _TRUNKS.get(component.name, ())
    return [
        (component.points.index(name), coco)
        for name, coco in zip(trunk, _COCO[TRUNK].tolist(), strict=False)
        if name in component.points
    ]


def _order_of_hand(component: Component, report: ReadReport) -> list[int]:
    """Return the index in the file of each of a hand's points; unknown names are read in their order."""
    for names in _HAND_NAMES:
        if set(names) == set(component.points):
            return [component.points.index(name) for name in names]
    report.note(
        f"The points of {component.name} have other names than those of pose-format (for example "
        f"{component.points[0][:_NUM_CHARACTERS]!r}). They were read in the order wrist, thumb, index "
        "finger, middle finger, ring finger and little finger."
    )
    return list(range(len(component.points)))
