"""Detect the format of a source and open it with the matching reader."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from core.corpora.folder_files import describe_left_out, files_below
from core.corpora.readers import webdataset
from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.readers.benchmarks import (
    asl_citizen,
    autsl,
    dsta_slr,
    glosl,
    include,
    msasl,
    nla_slr,
    pose_packs,
    semlex,
    split_lists,
    uni_sign,
    wlasl,
)
from core.corpora.readers.clip_files import ClipFormat, open_clip, open_clips
from core.corpora.readers.clip_formats import CSV, SUFFIXES, clip_format_of
from core.corpora.readers.exchanged import exchanged
from core.corpora.readers.formats import coco_wholebody, mediapipe_holistic, pose_pickle, wide_frames
from core.corpora.readers.labels_table import find_table
from core.corpora.readers.many_files import check_all_many, open_all
from core.corpora.readers.named_clips import with_facts_of_names
from core.corpora.readers.not_read import no_pose_files, note_others, unsupported
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.readers.scores import scores_in
from core.corpora.readers.split_folders import (
    in_split_folders,
    note_folders_like_splits,
    with_glosses_of_folders,
)
from core.corpora.readers.unmirrored import unmirrored
from core.corpora.readers.untrusted.npz import UntrustedNpz, as_corpus_error, is_npz
from core.corpora.readers.untrusted.safe_pickle import PICKLE_SUFFIXES, is_pickle
from core.corpora.source import ReadReport
from core.errors import CorpusError

AUTO = "auto"
Opener = Callable[[Path, ReadOptions, ReadReport], OpenedSource]
FolderOpener = Callable[[Path, Sequence[Path], ReadOptions, ReadReport], OpenedSource]
_BENCHMARKS = (
    split_lists,
    nla_slr,
    dsta_slr,
    wlasl,
    msasl,
    uni_sign,
    asl_citizen,
    glosl,
    autsl,
    include,
    semlex,
)
_BENCHMARK_FORMATS = frozenset(reader.FORMAT for reader in _BENCHMARKS)
_TABLE_SUFFIXES = (".parquet", CSV)
_MAX_INSPECTED = 20
"""Files of each ending that are opened to detect a folder's format."""


def open_source(path: Path, wanted: str, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """Open a file or folder; `wanted` is a format's name, or `auto` to detect it.

    Raises:
        CorpusError: the format is unknown, ambiguous or not the `wanted` one, or the source is damaged.
    """
    source = (_open_folder if path.is_dir() else _open_file)(path, options, report)
    if wanted not in (AUTO, source.format):
        raise CorpusError(
            f"{path} has the format {source.format}, not {wanted}. Set format (--format) to 'auto'."
        )
    if source.format not in _BENCHMARK_FORMATS and options.benchmark != BenchmarkOptions():
        raise CorpusError(
            f"{path} has the format {source.format}, which is not a benchmark. Remove the options "
            "benchmark_classes, exclude_clips, exclude_train_positions, drop_last_frame and "
            "override_image_size; they apply only to benchmarks."
        )
    if options.table.are_stated and (source.format in _BENCHMARK_FORMATS or not source.separate_files):
        raise CorpusError(
            f"{path} has the format {source.format}, whose labels are not read from a table that you name. "
            "Remove the options labels and columns (--labels, --columns)."
        )
    source = exchanged(source, options.sides)
    return unmirrored(source) if options.unmirror_frames else source


def holds_many(path: Path) -> bool:
    """Whether a file is an `.npz` of many clips."""
    if not is_npz(path):
        return False
    with UntrustedNpz(path) as file:
        return _is_many(file)


def _benchmark_reader(folder: Path, files: Sequence[Path]) -> FolderOpener | None:
    """Return the function that opens a benchmark's folder; None for other folders.

    Raises:
        CorpusError: the folder belongs to several benchmarks.
    """
    if wlasl.is_layout(files) and msasl.is_layout(files):
        raise CorpusError(
            f"{folder} has the annotations of both WLASL and MS-ASL. Import each benchmark separately."
        )
    return next((reader.open_folder for reader in _BENCHMARKS if reader.is_layout(files)), None)


def _samples_reader(folder: Path, files: Sequence[Path]) -> FolderOpener | None:
    """Return the function that opens a folder of WebDataset's samples; None for other folders."""
    return webdataset.open_folder if webdataset.is_layout(files) else None


def _wide_tables_reader(folder: Path, files: Sequence[Path]) -> FolderOpener | None:
    """Return the function that opens a folder of tables with many clips each; None for other folders."""
    of_suffix = ([path for path in files if path.suffix == suffix] for suffix in _TABLE_SUFFIXES)
    first = (path for paths in of_suffix for path in paths[:_MAX_INSPECTED])
    return _open_wide_tables if any(map(_is_wide_table, first)) else None


def _open_wide_tables(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    tables = [path for path in files if path.suffix in _TABLE_SUFFIXES and _is_wide_table(path)]
    others = set(files).difference(tables)
    table = find_table(folder, [path for path in files if path in others], options.table)
    note_others(files, tables if table is None else [*tables, table.path], report)
    return wide_frames.open_files(tables, table, options, report)


def _is_wide_table(path: Path) -> bool:
    try:
        return wide_frames.holds_many(path)
    except CorpusError:  # in a folder a damaged file is skipped later
        return False


def _open_file(path: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    if not path.is_file():
        raise CorpusError(f"There is no file or folder {path}.")
    if path.stat().st_size == 0:
        raise CorpusError(f"{path} is empty.")
    opener = next((opener for fits, opener in FILE_LAYOUTS if fits(path)), None)
    if opener is not None:
        return opener(path, options, report)
    layout = clip_format_of(path)
    if layout is None:
        raise unsupported(path)
    return open_clip(path, layout, options, report)


def _open_folder(folder: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    with as_corpus_error(folder):
        there = files_below(folder)
    if there.left_out:
        left_out = describe_left_out(there.left_out, folder)
        if not there.files:
            raise CorpusError(f"The folder {folder} has no readable files. {left_out}")
        report.note(left_out)
    opener = next((found for find in FOLDER_LAYOUTS if (found := find(folder, there.files))), _open_clips)
    if opener is not _open_clips:
        options = replace(options, size_wins=options.benchmark.override_image_size)
    return opener(folder, there.files, options, report)


def _open_clips(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open a folder with separate files for each clip, or with files of many clips."""
    table = find_table(folder, files, options.table)
    base = folder if table is None else table.path.parent
    layout, read = _find_clips(base, [path for path in files if path.is_relative_to(base)])
    if layout is None:
        note_others(files, read, report, may_be_labels=False)
        if len(read) > 1:
            return open_all(folder, read, lambda path: _open_many(path, options, report), report)
        return _open_file(read[0], options, report)
    note_others(files, read if table is None else [*read, table.path], report)
    clips = in_split_folders(layout.group(base, read), report)
    if table is not None:
        clips = table.applied(clips, report)
    else:
        clips = with_facts_of_names(with_glosses_of_folders(clips, report), report)
    if table is None or not any(clip.split for clip in clips):
        note_folders_like_splits(clips, report)
    return open_clips(clips, layout, options, report)


def _find_clips(folder: Path, files: Sequence[Path]) -> tuple[ClipFormat | None, list[Path]]:
    """Return the format of a folder's clips and their files; no format if each file holds many clips."""
    found: dict[str, tuple[ClipFormat | None, list[Path]]] = {}
    faults: list[CorpusError] = []
    for suffix in SUFFIXES:
        of_suffix = [path for path in files if path.suffix == suffix]
        if suffix == CSV:
            of_suffix = list(filter(wide_frames.fits, of_suffix))
        if suffix in PICKLE_SUFFIXES and (found or len(of_suffix) == 1):
            if (held := _find_clips_in_pickles(of_suffix, faults)) is not None:
                found[suffix] = held
        elif any(map(_seems_many, of_suffix[:_MAX_INSPECTED])):
            check_all_many(of_suffix, holds_many)
            found[suffix] = None, of_suffix
        elif of_suffix and (layout := _layout_of(of_suffix, faults)) is not None:
            found[suffix] = layout, of_suffix
    if len(found) > 1:
        first, second = (f"{held[1][0].name}" for held in list(found.values())[:2])
        raise CorpusError(
            f"{folder} holds clips of two formats, {first} and {second}. Import each format separately."
        )
    if not found:
        raise faults[0] if faults else no_pose_files(folder, files)
    return next(iter(found.values()))


def _seems_many(path: Path) -> bool:
    try:
        return holds_many(path)
    except CorpusError:  # in a folder a damaged file is skipped later
        return False


def _find_clips_in_pickles(
    files: list[Path], faults: list[CorpusError]
) -> tuple[ClipFormat | None, list[Path]] | None:
    """Like `_find_clips`, for pickles; None if the first ones hold no keypoints."""
    for path in files[:_MAX_INSPECTED]:
        try:
            is_pack = pose_packs.holds_many(path) and len(files) == 1
        except CorpusError as error:
            faults.append(error)
            continue
        return (None if is_pack else pose_pickle.LAYOUT), files
    return None


def _layout_of(files: Sequence[Path], faults: list[CorpusError]) -> ClipFormat | None:
    """Return the format of the first file that has one; errors of the others are added to `faults`."""
    for path in files[:_MAX_INSPECTED]:
        try:
            layout = clip_format_of(path)
        except CorpusError as error:
            faults.append(error)
            continue
        if layout is not None:
            return layout
        faults.append(unsupported(path))
    return None


def _is_many(file: UntrustedNpz) -> bool:
    if "keypoints" not in file or "offsets" in file:
        return "offsets" in file
    with file.rows("keypoints") as rows:
        of_mediapipe = rows.shape[2:] == (mediapipe_holistic.NUM_POINTS, 3)
        return len(rows.shape) == 4 and (of_mediapipe or scores_in(file, rows.shape) is None)


def _open_many(path: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    with UntrustedNpz(path) as file:
        of_coco = "offsets" in file
    return (coco_wholebody if of_coco else mediapipe_holistic).open_clips(path, options, report)


FILE_LAYOUTS: tuple[tuple[Callable[[Path], bool], Opener], ...] = (
    (holds_many, _open_many),
    (is_pickle, pose_packs.open_file),
    (wide_frames.holds_many, wide_frames.open_file),
)
"""Formats with many clips in one file: how a file is detected, and the function that opens it."""
FOLDER_LAYOUTS: tuple[Callable[[Path, Sequence[Path]], FolderOpener | None], ...] = (
    _benchmark_reader,
    _samples_reader,
    _wide_tables_reader,
)
"""Formats of whole folders: each returns the function that opens the folder, or None if it does not match.
If none matches, the folder has separate files for each clip."""
