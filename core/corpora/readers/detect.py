"""Telling source formats apart, and opening a source with the reader that fits."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from core.corpora.readers import coco_wholebody, mediapipe_holistic, mp_data
from core.corpora.readers.npz import NpzFile
from core.corpora.readers.raw_clip import ReadOptions, Source
from core.corpora.source import ReadReport
from core.errors import CorpusError

AUTO = "auto"
Opener = Callable[[Path, ReadOptions, ReadReport], Source]
SUPPORTED = (
    "an .npz of COCO-WholeBody keypoints (frames, 133, 3), an .npz of MediaPipe Holistic keypoints (clips, "
    "frames, 75, 3), a folder <sign>/<take>.npz or <sign>/<take>/<frame>.npy, or a .zip, .tar or .tar.gz of "
    "these"
)


def open_source(path: Path, wanted: str, options: ReadOptions, report: ReadReport) -> Source:
    """Open a file or folder; `wanted` is a format's name, or `auto` to look and decide.

    Raises:
        CorpusError: unknown or ambiguous, damaged, or not of the format that was asked for.
    """
    source = (_open_folder if path.is_dir() else _open_file)(path, options, report)
    if wanted not in (AUTO, source.format):
        raise CorpusError(f"{path} is {source.format}, not {wanted}; set format to 'auto'.")
    return source


def is_npz(path: Path) -> bool:
    """Whether a file is a zip of arrays at its top level, and so no archive of files."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise CorpusError(f"{path} is damaged: {error}.") from None
    return bool(names) and all(name.endswith(".npy") and "/" not in name for name in names)


def _open_file(path: Path, options: ReadOptions, report: ReadReport) -> Source:
    if not path.is_file():
        raise CorpusError(f"There is no file or folder {path}.")
    if path.stat().st_size == 0:
        raise CorpusError(f"{path} is empty.")
    if not is_npz(path):
        raise CorpusError(f"{path} is nothing this program can read, or is damaged. It reads {SUPPORTED}.")
    return _opener(path)(path, options, report)


def _opener(path: Path) -> Opener:
    with NpzFile(path) as file:
        with file.rows("keypoints") as rows:
            num_axes = len(rows.shape)
        if num_axes == 4:
            return mediapipe_holistic.open_clips
        return coco_wholebody.open_clips if "offsets" in file else coco_wholebody.open_clip


def _open_folder(folder: Path, options: ReadOptions, report: ReadReport) -> Source:
    files = visible_files(folder)
    frames = [path for path in files if path.suffix == ".npy"]
    arrays = [path for path in files if path.suffix == ".npz"]
    if frames and arrays:
        raise CorpusError(
            f"{folder} holds both frames ({frames[0].name}) and clips ({arrays[0].name}); import them apart."
        )
    others = sorted({path.suffix or path.name for path in files} - {".npy", ".npz"})
    if others and (frames or arrays):
        num_others = len(files) - len(frames) - len(arrays)
        report.note(f"{num_others} other files were not read ({', '.join(others[:5])}).")
    if len(arrays) == 1 and _opener(arrays[0]) is not coco_wholebody.open_clip:
        return _open_file(arrays[0], options, report)
    if arrays:
        return coco_wholebody.open_folder(folder, arrays, options, report)
    if frames:
        return mp_data.open_folder(folder, frames, options, report)
    raise CorpusError(
        f"{folder} has no .npz or .npy files ({len(files)} others: {', '.join(others[:5]) or 'none'}). "
        f"This program reads {SUPPORTED}."
    )


def visible_files(folder: Path) -> list[Path]:
    """All files below a folder, each folder's together, without hidden ones and what macOS adds."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        found += [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
    return found
