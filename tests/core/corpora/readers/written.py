"""A recording written in each format: COCO-WholeBody keypoints (T, 133, 3), or MediaPipe's (T, 75, 3)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions
from pose_format.utils.cocowholebody133_header import cocowholebody_components

WIDTH, HEIGHT = 640, 480
LEFT, RIGHT = slice(91, 112), slice(112, 133)
OPENPOSE_BODY = {0: 0, 5: 5, 6: 2, 7: 6, 8: 3, 9: 7, 10: 4}
"""COCO's keypoint to body-25's (and COCO-18's) point, of those that are read."""


def write_pose(
    path: Path,
    keypoints: np.ndarray,
    *,
    fps: float = 25,
    people: int = 1,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """A `.pose` file of version 0.2 with the library's COCO-WholeBody components."""
    points = keypoints[:, None].repeat(people, axis=1)
    return write_components(path, cocowholebody_components(), points, fps=fps, size=size)


def write_components(
    path: Path,
    components: list[PoseHeaderComponent],
    points: np.ndarray,
    *,
    fps: float = 25,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """A `.pose` file of these components; points (T, people, V, 3)."""
    header = PoseHeader(0.2, PoseHeaderDimensions(*size, 0), components)
    body = NumPyPoseBody(fps, points[..., :2].astype("f4"), points[..., 2].astype("f4"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        Pose(header, body).write(stream)
    return path


def openpose_person(frame: np.ndarray, *, body_points: int = 25) -> dict[str, Any]:
    """A person of an OpenPose frame, from keypoints (133, 3)."""
    body = np.zeros((body_points, 3))
    for coco, point in OPENPOSE_BODY.items():
        body[point] = frame[coco]
    return {
        "person_id": [-1],
        "pose_keypoints_2d": body.ravel().tolist(),
        "hand_left_keypoints_2d": frame[LEFT].ravel().tolist(),
        "hand_right_keypoints_2d": frame[RIGHT].ravel().tolist(),
    }


def write_openpose(folder: Path, keypoints: np.ndarray, *, prefix: str = "", first: int = 0) -> Path:
    """A folder of OpenPose frames, one person in each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(keypoints, first):
        document = {"version": 1.3, "people": [openpose_person(frame)]}
        (folder / f"{prefix}{number:012d}_keypoints.json").write_text(json.dumps(document))
    return folder


def write_mmpose(path: Path, keypoints: np.ndarray) -> Path:
    """Predictions of MMPose 1.x, one person in each frame."""
    frames = [
        {
            "frame_id": number,
            "instances": [{"keypoints": frame[:, :2].tolist(), "keypoint_scores": frame[:, 2].tolist()}],
        }
        for number, frame in enumerate(keypoints, 1)
    ]
    document = {"meta_info": {"dataset_name": "coco_wholebody"}, "instance_info": frames}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def write_coco_parquet(path: Path, keypoints: np.ndarray, **columns: Any) -> Path:
    """Keypoints as rows; `columns` replace or add to them."""
    num_frames = len(keypoints)
    table = {
        "frame": np.repeat(np.arange(num_frames), 133),
        "keypoint": np.tile(np.arange(133), num_frames),
        "x": keypoints[:, :, 0].ravel(),
        "y": keypoints[:, :, 1].ravel(),
        "confidence": keypoints[:, :, 2].ravel(),
        **columns,
    }
    return write_parquet(path, table)


def write_asl_signs(path: Path, points: np.ndarray, *, first: int = 20, **columns: Any) -> Path:
    """MediaPipe's points (T, 75, 3) as asl-signs has them: a face, NaN for the unknown, no confidence."""
    parts = {"face": 468, "left_hand": 21, "pose": 33, "right_hand": 21}
    starts = {"pose": 0, "left_hand": 33, "right_hand": 54}
    kinds = np.repeat(list(parts), list(parts.values()))
    indices = np.concatenate([np.arange(size) for size in parts.values()])
    frames = []
    for frame in points:
        rows = np.full((543, 2), 0.5)
        for kind, start in starts.items():
            part = frame[start : start + parts[kind]]
            rows[kinds == kind] = np.where(part[:, 2:] > 0, part[:, :2], np.nan)
        frames.append(rows)
    numbers = np.repeat(np.arange(first, first + len(points)), 543)
    table = {
        "frame": numbers.astype("i2"),
        "row_id": [f"{number}-{row}" for row, number in enumerate(numbers)],
        "type": np.tile(kinds, len(points)),
        "landmark_index": np.tile(indices, len(points)).astype("i2"),
        "x": np.concatenate(frames)[:, 0],
        "y": np.concatenate(frames)[:, 1],
        "z": np.zeros(len(numbers)),
        **columns,
    }
    return write_parquet(path, table)


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    """A Parquet file of these columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def landmarks(points: np.ndarray) -> list[dict[str, float]]:
    """MediaPipe's points (V, 3) as its landmarks."""
    return [{"x": x, "y": y, "z": 0.0, "visibility": seen, "presence": 1.0} for x, y, seen in points.tolist()]


def python_frame(frame: np.ndarray) -> dict[str, Any]:
    """A HolisticLandmarkerResult as Python spells it, of points (75, 3)."""
    return {
        "pose_landmarks": landmarks(frame[:33]),
        "left_hand_landmarks": landmarks(frame[33:54]),
        "right_hand_landmarks": landmarks(frame[54:]),
    }


def javascript_frame(frame: np.ndarray) -> dict[str, Any]:
    """The same as JavaScript spells it: a list of people each."""
    return {
        "poseLandmarks": [landmarks(frame[:33])],
        "leftHandLandmarks": [landmarks(frame[33:54])],
        "rightHandLandmarks": [landmarks(frame[54:])],
        "faceLandmarks": [],
    }


def write_tasks(
    path: Path, points: np.ndarray, *, frame: Callable[[np.ndarray], dict[str, Any]] = python_frame
) -> Path:
    """MediaPipe's points (T, 75, 3) as a list of results."""
    return write_json(path, [frame(of_frame) for of_frame in points])


def write_json(path: Path, document: object) -> Path:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path
