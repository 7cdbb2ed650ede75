"""All formats with separate files for each clip, and detection of a file's format from its content."""

from collections.abc import Callable
from pathlib import Path

from core.corpora.readers.clip_files import ClipFormat
from core.corpora.readers.formats import (
    asl_signs,
    coco_parquet,
    coco_wholebody,
    dwpose,
    mediapipe_holistic,
    mediapipe_npy,
    mediapipe_tasks,
    mmpose_json,
    mp_data,
    openpose_json,
    pose_files,
    pose_pickle,
    wide_frames,
)
from core.corpora.readers.untrusted.json_file import is_json, preview, read_json
from core.corpora.readers.untrusted.naming import listed
from core.corpora.readers.untrusted.npz import UntrustedNpz, is_npy, is_npz, npy_rows
from core.corpora.readers.untrusted.parquet_rows import column_names, is_parquet
from core.corpora.readers.untrusted.safe_pickle import is_pickle
from core.errors import CorpusError

CSV = ".csv"
SUFFIXES = (".npy", ".npz", ".pose", ".json", ".parquet", ".pkl", ".pickle", CSV)
"""Endings of the files that may hold keypoints; most `.csv` files are tables of another kind."""

_OF_JSON = (
    (openpose_json.fits, openpose_json.LAYOUT),
    (mmpose_json.fits, mmpose_json.LAYOUT),
    (mediapipe_tasks.fits, mediapipe_tasks.LAYOUT),
)
_OF_PARQUET = (
    (asl_signs.COLUMNS, asl_signs.LAYOUT),
    (coco_parquet.COLUMNS, coco_parquet.LAYOUT),
)


def clip_format_of(path: Path) -> ClipFormat | None:
    """Return the format of a file that holds a clip or a frame; None if its file type is not supported.

    Raises:
        CorpusError: the file type is supported, but the file is damaged or holds other data.
    """
    return next((detect(path) for is_kind, detect in _KINDS if is_kind(path)), None)


def _in_npz(path: Path) -> ClipFormat:
    with UntrustedNpz(path) as file:
        if dwpose.fits(file):
            return dwpose.LAYOUT
        with file.rows("keypoints") as rows:
            of_mediapipe = rows.shape[1:] == (mediapipe_holistic.NUM_POINTS, 3)
    return mediapipe_holistic.LAYOUT if of_mediapipe else coco_wholebody.LAYOUT


def _in_npy(path: Path) -> ClipFormat:
    if mediapipe_npy.fits(path):
        return mediapipe_npy.LAYOUT
    with npy_rows(path) as rows:
        shape = rows.shape
    if len(shape) > 1 and not mp_data.is_frame(shape):
        raise CorpusError(
            f"{path} has the shape {shape}, and a .npy file does not say what that is. Save points as .npz "
            "with keypoints, width and height (docs/reference/formats.md)."
        )
    return mp_data.LAYOUT


def _in_json(path: Path) -> ClipFormat:
    document = read_json(path)
    layout = next((layout for fits, layout in _OF_JSON if fits(document)), None)
    if layout is None:
        raise CorpusError(
            f"{path} is JSON of an unknown kind: expected an OpenPose frame ('people'), MMPose predictions "
            "('instance_info') or a list of MediaPipe results ('poseLandmarks'); got "
            f"{preview(document)}."
        )
    return layout


def _in_parquet(path: Path) -> ClipFormat:
    names = column_names(path)
    layout = next((layout for columns, layout in _OF_PARQUET if columns <= set(names)), None)
    if layout is None and wide_frames.fits(path):
        return wide_frames.LAYOUT
    if layout is None:
        raise CorpusError(
            f"{path} is Parquet, but must have the columns {', '.join(sorted(asl_signs.COLUMNS))}, or "
            f"{', '.join(sorted(coco_parquet.COLUMNS))}, or one row a frame with x_left_hand_0 and so "
            f"on; it has {listed(names)}."
        )
    return layout


_KINDS: tuple[tuple[Callable[[Path], bool], Callable[[Path], ClipFormat]], ...] = (
    (is_npz, _in_npz),
    (is_npy, _in_npy),
    (is_parquet, _in_parquet),
    (is_json, _in_json),
    (is_pickle, lambda _: pose_pickle.LAYOUT),
    (pose_files.is_pose, lambda _: pose_files.LAYOUT),
    (wide_frames.fits, lambda _: wide_frames.LAYOUT),
)
