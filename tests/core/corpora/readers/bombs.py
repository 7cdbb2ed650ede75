"""Small sources that ask for much memory or time; each is refused, or read with little."""

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints

Bomb = Callable[[Path, int], Path]
"""Writes a source below a folder; the number is how many megabytes it asks for, if nothing stops it."""


def npy(shape: tuple[int, ...], dtype: str, num_bytes: int) -> bytes:
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    padding = b" " * (-(len(header) + 11) % 64)
    content = header + padding + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(num_bytes)


def write_npz(path: Path, **arrays: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return path


def frames_of_npz(folder: Path, megabytes: int) -> Path:
    """One clip of half-precision zeros, which float64 makes four times as large."""
    num_frames = megabytes * 2**20 // (4 * 133 * 3 * 2)
    return write_npz(folder / "clip.npz", keypoints=npy((num_frames, 133, 3), "<f2", num_frames * 133 * 6))


def clips_of_nothing(folder: Path, megabytes: int) -> Path:
    """Clips without frames: as many as one likes, in no bytes."""
    return write_npz(folder / "clips.npz", keypoints=npy((megabytes * 2**17, 0, 75, 3), "<f4", 0))


def one_long_clip(folder: Path, megabytes: int) -> Path:
    """A file of many clips of which one has all frames."""
    num_frames = megabytes * 2**20 // (133 * 3 * 2)
    return write_npz(
        folder / "clips.npz",
        keypoints=npy((num_frames, 133, 3), "<f2", num_frames * 133 * 6),
        offsets=npy((2,), "<i8", 0) + np.array([0, num_frames]).tobytes(),
    )


def long_names(folder: Path, megabytes: int) -> Path:
    num_clips, width = 100, megabytes * 2**20 // 200
    return write_npz(
        folder / "clips.npz",
        keypoints=npy((num_clips, 1, 75, 3), "<f4", num_clips * 75 * 12),
        names=npy((num_clips,), f"<U{width}", 4 * width * num_clips),
    )


def header_of_megabytes(folder: Path, megabytes: int) -> Path:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1," * (megabytes * 2**15) + b")}"
    (folder / "clip.npy").write_bytes(b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header)
    return folder / "clip.npy"


def large_frame(folder: Path, megabytes: int) -> Path:
    take = folder / "source" / "tea" / "0"
    take.mkdir(parents=True)
    size = megabytes * 2**20 // 8
    (take / "0.npy").write_bytes(npy((size,), "<f8", 8 * size))
    return folder / "source"


def people_of_dwpose(folder: Path, megabytes: int) -> Path:
    """A crowd in half precision, which float64 makes four times as large."""
    num_people = megabytes * 2**20 // (4 * 134 * 2 * 2)
    return write_npz(folder / "clip.npz", frames=npy((1, num_people, 134, 2), "<f2", num_people * 536))


def frames_of_dwpose(folder: Path, megabytes: int) -> Path:
    num_frames = megabytes * 2**20 // (4 * 128 * 2 * 2)
    return write_npz(
        folder / "clip.npz",
        all_xy=npy((num_frames, 128, 2), "<f2", num_frames * 512),
        all_score=npy((num_frames, 128), "<f2", num_frames * 256),
    )


def frames_of_mediapipe(folder: Path, megabytes: int) -> Path:
    num_frames = megabytes * 2**20 // (4 * 543 * 2 * 2)
    content = npy((num_frames, 543, 2), "<f2", num_frames * 2172)
    (folder / "clip.npy").write_bytes(content)
    return folder / "clip.npy"


def rows_of_a_wide_table(folder: Path, megabytes: int) -> Path:
    names = [f"{axis}_{side}_hand_{n}" for axis in "xy" for side in ("left", "right") for n in range(21)]
    row = "," * (len(names) - 1) + "\n"
    (folder / "clip.csv").write_text(",".join(names) + "\n" + row * (megabytes * 2**20 // (84 * 80)))
    return folder / "clip.csv"


def write_json(folder: Path, text: str) -> Path:
    (folder / "clip.json").write_text(text)
    return folder / "clip.json"


def empty_objects(folder: Path, megabytes: int) -> Path:
    return write_json(folder, "[" + "{}," * (megabytes * 2**20 // 72) + "{}]")


def long_text_among_numbers(folder: Path, megabytes: int) -> Path:
    """NumPy would give each of 75 numbers the space of the longest text."""
    numbers = ["a" * (megabytes * 2**20 // (4 * 75))] + [0] * 74
    source = folder / "source"
    source.mkdir()
    person = {"pose_keypoints_2d": numbers}
    (source / "clip_000_keypoints.json").write_text(json.dumps({"people": [person]}))
    return source


def deep_lists(folder: Path, megabytes: int) -> Path:
    return write_json(folder, "[" * 970 + "]" * 970)


def annotations_of_nothing(folder: Path, megabytes: int) -> Path:
    """Each empty object is a fault."""
    (folder / "source").mkdir()
    (folder / "source" / "WLASL_v0.3.json").write_text("[" + "{}," * (megabytes * 2**20 // 400) + "{}]")
    return folder / "source"


def videos_of_nothing(folder: Path, megabytes: int) -> Path:
    (folder / "source").mkdir()
    entries = ",".join(f'"{number}":0' for number in range(megabytes * 2**20 // 400))
    (folder / "source" / "nslt_100.json").write_text(f"{{{entries}}}")
    return folder / "source"


def write_table(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "clip.parquet", compression="zstd")
    return folder / "clip.parquet"


def the_same_row(folder: Path, megabytes: int) -> Path:
    size = megabytes * 2**20 // 50
    zeros = np.zeros(size, "i2")
    return write_table(folder, frame=zeros, keypoint=zeros, x=zeros, y=zeros, confidence=zeros)


def many_columns(folder: Path, megabytes: int) -> Path:
    return write_table(folder, **{f"c{number}": [0] for number in range(megabytes * 8)})


def write_pose(folder: Path, content: bytes) -> Path:
    (folder / "clip.pose").write_bytes(content)
    return folder / "clip.pose"


def limbs(folder: Path, megabytes: int) -> Path:
    """A component of 65535 limbs takes 256 kB as bytes, and 8 MB as Python objects."""
    component = struct.pack("<H1sH4sHHH", 1, b"a", 4, b"XYZC", 0, 65535, 0) + bytes(4 * 65535)
    num_components = megabytes // 8
    return write_pose(
        folder, struct.pack("<fHHHH", 0.2, 640, 480, 0, num_components) + component * num_components
    )


def people_of_one_frame(folder: Path, megabytes: int) -> Path:
    """A crowd in a single frame."""
    one = written.write_pose(folder / "clip.pose", coco_keypoints(1)).read_bytes()
    body = one[-(133 * 3 * 4) :]
    num_people = min(65535, megabytes * 2**20 // (133 * 3 * 4 * 5))
    start = one[: -len(body) - 2] + struct.pack("<H", num_people)
    return write_pose(folder, start + bytes(len(body) * num_people))


def write_pickle(folder: Path, value: object) -> Path:
    (folder / "clip.pkl").write_bytes(pickle.dumps(value))
    return folder / "clip.pkl"


def frames_of_a_pickle(folder: Path, megabytes: int) -> Path:
    num_frames = megabytes * 2**20 // (8 * 133 * 3)
    return write_pickle(folder, {"keypoints": np.zeros((num_frames, 133, 3), "i1")})


def one_array_in_many_places(folder: Path, megabytes: int) -> Path:
    array = np.zeros((megabytes * 2**20 // (500 * 133 * 3), 133, 3), "i1")
    return write_pickle(folder, {"keypoints": [[array] * 500]})


def text_in_a_pickle(folder: Path, megabytes: int) -> Path:
    return write_pickle(folder, {"keypoints": [["a" * (megabytes * 2**20 // 800)] + [0] * 200]})


BOMBS: tuple[Bomb, ...] = (
    frames_of_npz,
    clips_of_nothing,
    one_long_clip,
    long_names,
    header_of_megabytes,
    large_frame,
    people_of_dwpose,
    frames_of_dwpose,
    frames_of_mediapipe,
    rows_of_a_wide_table,
    empty_objects,
    long_text_among_numbers,
    deep_lists,
    annotations_of_nothing,
    videos_of_nothing,
    the_same_row,
    many_columns,
    limbs,
    people_of_one_frame,
    frames_of_a_pickle,
    one_array_in_many_places,
    text_in_a_pickle,
)
