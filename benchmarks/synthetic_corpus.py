"""Write packed corpora of any number of synthetic clips quickly, for benchmarks."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from core.corpora.header import (
    HEADER_FILE,
    ArrayEntry,
    CorpusHeader,
    array_layout,
    content_digest,
    file_digest,
)

FRAMES, GLOSSES, SIGNERS = 8, 1000, 50
"""Frames of a clip; glosses and signers of a corpus."""
CLIP_BYTES = FRAMES * 49 * 9
"""Bytes of a clip's points and visibility, which are nearly all of its size."""
_BLOCK = 8192


@contextmanager
def synthetic_corpus(folder: Path, clips: int) -> Iterator[Path]:
    """Write a packed corpus below `folder`, and remove it afterwards."""
    path = folder / f"{clips}_clips"
    try:
        write_quickly(path, clips)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write_quickly(path: Path, clips: int) -> None:
    """Write the packed format by repeating one block of random frames."""
    path.mkdir()
    random, rows = np.random.default_rng(0), min(_BLOCK, clips) * FRAMES
    names = np.char.add(b"clip-", np.arange(clips).astype("S8"))
    people = np.arange(clips) // 7 % SIGNERS
    sources = {
        "points": random.random((rows, 49, 2), dtype=np.float32),
        "visible": random.random((rows, 49)) < 0.8,
        "offsets": np.arange(clips + 1) * FRAMES,
        "labels": np.arange(clips) % GLOSSES,
        "signers": people,
        "sessions": people,
        "splits": np.arange(clips) % 10 == 9,
        "names": names,
    }
    for array, (dtype, shape) in array_layout(clips, clips * FRAMES, names.dtype.itemsize).items():
        target = np.lib.format.open_memmap(path / f"{array}.npy", mode="w+", dtype=dtype, shape=shape)
        for first in range(0, len(target), len(sources[array])):
            part = target[first : first + len(sources[array])]
            part[:] = sources[array][: len(part)]
        target.flush()
    _write_header(path, clips, names.dtype.itemsize)


def _write_header(path: Path, clips: int, name_width: int) -> None:
    arrays = {
        array: ArrayEntry(
            num_bytes=(path / f"{array}.npy").stat().st_size, sha256=file_digest(path / f"{array}.npy")
        )
        for array in array_layout(1, 1, 1)
    }
    glosses = tuple(f"gloss-{number:04d}" for number in range(GLOSSES))
    people = tuple(f"signer-{number:02d}" for number in range(SIGNERS))
    names = {
        "label_names": glosses,
        "signer_names": people,
        "session_names": people,
        "split_names": ("train", "test"),
    }
    header = {
        "name": f"{clips} clips",
        "num_clips": clips,
        "num_frames": clips * FRAMES,
        "name_width": name_width,
        **names,
        "arrays": {array: entry.model_dump() for array, entry in arrays.items()},
        "digest": content_digest(arrays, names.values()),
        "provenance": {"format": "synthetic"},
    }
    checked = CorpusHeader.model_validate_json(json.dumps(header))
    (path / HEADER_FILE).write_text(checked.model_dump_json())
