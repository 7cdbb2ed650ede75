"""The names of source formats and of normalisation profiles, which imports choose and readers implement."""

from collections.abc import Sequence
from typing import Literal, cast, get_args

SourceFormat = Literal[
    "coco_wholebody_133",
    "dwpose",
    "mediapipe_holistic",
    "mediapipe_npy",
    "mp_data",
    "pose_format",
    "openpose_json",
    "mmpose_json",
    "mediapipe_tasks",
    "asl_signs",
    "wide_frames",
    "pose_pickle",
    "webdataset",
    "benchmark_lists",
    "wlasl",
    "msasl",
    "nla_slr",
    "dsta_slr",
    "uni_sign",
    "asl_citizen",
    "glosl",
    "autsl",
    "include",
    "semlex",
]
"""The source formats that an import can read (docs/reference/formats.md)."""

WantedFormat = Literal["auto", SourceFormat]
"""The format a source must have; `auto` detects it."""

ProfileName = Literal["wlasl", "msasl", "slr500", "nmfs_csl"]
"""The benchmarks whose confidence thresholds normalisation knows."""

ColumnRole = Literal["clip", "gloss", "signer", "session", "split"]
"""What a column of a table of labels may hold."""

VectorPart = Literal["pose", "face", "left_hand", "right_hand"]
"""A part of a frame's vector in the format `mp_data`."""


Sides = Literal["as_stored", "exchange_hands", "exchange_all"]
"""Which points are those of the left side: as the source says, or the other way round."""


def checked_part_order(parts: Sequence[str]) -> tuple[VectorPart, ...]:
    """Return an order of parts; empty means the usual one.

    Raises:
        ValueError: a part is unknown, missing or named twice. Only the face may be missing.
    """
    known = get_args(VectorPart)
    if parts and (set(parts) | {"face"} != set(known) or len(set(parts)) < len(parts)):
        raise ValueError(
            f"part_order (--part-order) is {','.join(parts)}; name {', '.join(known)}, each once, without "
            "face if there is none"
        )
    return cast(tuple[VectorPart, ...], tuple(parts))
