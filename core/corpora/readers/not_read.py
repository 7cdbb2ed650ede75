"""Say which files of a source are not read, or that none can be."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from core.corpora.readers.labels_table import TABLE_SUFFIXES
from core.corpora.readers.untrusted.npz import NPZ, not_npz
from core.corpora.readers.untrusted.zip_files import is_zip
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.file_kinds import seems_to_be
from core.specs.counts import counted

SUPPORTED = (
    "COCO-WholeBody keypoints (.npz, .parquet), MediaPipe keypoints (.npz, .npy, .json, .parquet, .csv), "
    ".pose files, .json of OpenPose and MMPose, pickles of plain arrays, each as a file or as a folder "
    "<sign>/<clip>, a benchmark's folder, or a .zip, .tar or .tar.gz of these (docs/reference/formats.md)"
)

_MAX_SUFFIXES_NAMED = 5
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".xz", ".bz2")


def no_pose_files(folder: Path, files: Sequence[Path]) -> CorpusError:
    """The exception for a folder without a file that a reader understands."""
    there = ", ".join(_suffixes(files)) or "none"
    if inner := sorted(path for path in files if path.suffix.lower() in _ARCHIVE_SUFFIXES):
        return CorpusError(
            f"{folder} has no pose files, but the archive {inner[0].name}. Unpack it, and import its files."
        )
    return CorpusError(
        f"{folder} has no pose files ({counted(len(files), 'other file')}: {there}). "
        f"Supported formats: {SUPPORTED}."
    )


def unsupported(path: Path) -> CorpusError:
    """The exception for a file that no reader understands."""
    if path.suffix == NPZ and not is_zip(path):
        return not_npz(path)
    return CorpusError(
        f"{path} has no supported format, or is damaged: it seems to be {seems_to_be(path)}. Supported "
        f"formats: {SUPPORTED}."
    )


def note_others(
    files: Sequence[Path], read: Sequence[Path], report: ReadReport, *, may_be_labels: bool = True
) -> None:
    """Note which files of a folder are not `read`; a table of labels is named with its option."""
    others = set(files).difference(read)
    if others:
        were = "file was" if len(others) == 1 else "files were"
        report.note(f"{len(others)} other {were} not read ({', '.join(_suffixes(others))}).")
        tables = sorted(path.name for path in others if path.suffix.lower() in TABLE_SUFFIXES)
        if tables and not may_be_labels:
            report.note(
                f"{tables[0]} was not used, because a file of many clips has its own columns. Put the "
                "labels into the file."
            )
        elif tables:
            report.note(f"If {tables[0]} is a table of labels, an import reads it with --labels {tables[0]}.")


def _suffixes(files: Iterable[Path]) -> list[str]:
    """Return the first few endings, or the names of files without one."""
    return sorted({path.suffix or path.name for path in files})[:_MAX_SUFFIXES_NAMED]
