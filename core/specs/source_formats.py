"""The names of source formats and of normalisation profiles, which imports choose and readers implement."""

from typing import Literal

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
