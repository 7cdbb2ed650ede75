"""What can be said about a source on this machine before it is read or sent."""

from pathlib import Path

from core.corpora.folder_files import files_below
from core.errors import CorpusError, UserError

VIDEO_ENDINGS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm"})
_BESIDE_VIDEOS = frozenset({"", ".txt", ".md", ".xlsx"})


def labels_inside(source: Path, labels: str | None) -> str | None:
    """Return the table of labels by its path or name inside of `source`, a folder.

    A path from the current folder is accepted too, if it leads inside.

    Raises:
        UserError: the folder has no such table.
    """
    if labels is None or not source.is_dir():
        return labels
    here = Path(labels)
    if not here.is_absolute() and (source / here).is_file():
        return labels
    if here.is_file():
        if here.resolve().is_relative_to(source.resolve()):
            return here.resolve().relative_to(source.resolve()).as_posix()
        raise UserError(
            f"A table of labels must lie inside PATH ({source}); --labels {labels} does not. Move it there."
        )
    if not any(path.name == labels for path in files_below(source).files):
        raise UserError(f"--labels is {labels!r}, but {source} has no such file.")
    return labels


def refuse_videos(source: Path) -> None:
    """Refuse a source of videos alone, and a table of labels that only Excel reads.

    Raises:
        CorpusError: it is one.
    """
    files = files_below(source).files if source.is_dir() else [source]
    endings = {path.suffix.lower() for path in files if path.name.lower() != "labels.csv"} - _BESIDE_VIDEOS
    if endings and endings <= VIDEO_ENDINGS:
        raise CorpusError(
            f"{source} has videos ({', '.join(sorted(endings))}). signforge reads poses: run a pose "
            "estimator first (docs/reference/formats.md lists the formats of poses)."
        )
    for path in files:
        if path.name.lower() in ("labels.xlsx", "labels.xls"):
            raise CorpusError(f"{path} is a workbook of Excel. Save it as CSV: labels.csv.")
