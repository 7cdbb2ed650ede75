"""Reader of Uni-Sign's pose folders: `pose_format/<split>/<video>.pkl` beside `labels-<classes>.<split>`.

A clip's pickle has `keypoints`, T arrays (people, 133, 2) in fractions of the frame, and `scores`, T arrays
(people, 133). Label files are gzip-compressed pickles of a dict of dicts with `video_path`, `gloss`, `text`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.corpora.readers.benchmarks.annotations import UNI_SIGN, UniSignEntry, validate_records
from core.corpora.readers.benchmarks.clips import open_listed, with_profile
from core.corpora.readers.benchmarks.listed_clips import ListedClip, check_one_folder
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.readers.untrusted.safe_pickle import load_pickle
from core.corpora.source import ReadReport
from core.corpora.split_names import SPLIT_NAMES
from core.errors import CorpusError
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "uni_sign"

_LABELS = re.compile(r"labels(?:-(\d+))?\.(train|dev|val|test)")
_POSES = "pose_format"


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has such label files or pose folders."""
    return any(_LABELS.fullmatch(path.name) or _is_pose(path) for path in files)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the labelled clips, or without label files, all pose files with the split of their folder.

    Raises:
        CorpusError: invalid labels, labels of several subsets or folders, or no pose file at all.
    """
    poses = [path for path in files if path.suffix == ".pkl"]
    labels = _label_files(files, options.benchmark.classes)
    options = with_profile(options, folder, (labels or poses)[0].parent, report)
    if labels:
        clips = [clip for path in labels for clip in _labelled(path)]
    else:
        report.note("There is no file labels-*.train, .dev or .test, so the clips have no glosses.")
        clips = [_unlabelled(folder, path) for path in poses]
    # The label files already select the classes.
    all_classes = replace(options, benchmark=replace(options.benchmark, classes=None))
    return open_listed(FORMAT, clips, folder, poses, all_classes, report)


def _is_pose(path: Path) -> bool:
    return path.suffix == ".pkl" and _POSES in path.parts[-3:]


def _label_files(files: Sequence[Path], num_classes: int | None) -> list[Path]:
    found = [(path, match[1]) for path in files if (match := _LABELS.fullmatch(path.name))]
    subsets = sorted({subset or "" for _, subset in found})
    wanted = str(num_classes) if str(num_classes) in subsets else None
    if num_classes is not None and wanted is None:
        raise CorpusError(
            f"benchmark_classes (--classes) is {num_classes}, but there is no "
            f"labels-{num_classes}.train, .dev or .test."
        )
    if len(subsets) > 1 and wanted is None:
        raise CorpusError(
            f"There are labels of several subsets ({', '.join(subsets)}). Set benchmark_classes (--classes) "
            "to one of them."
        )
    labels = [path for path, subset in found if wanted is None or subset == wanted]
    check_one_folder(labels)
    return labels


def _labelled(path: Path) -> list[ListedClip]:
    split = path.suffix[1:]
    entries = validate_records(load_pickle(path), UNI_SIGN, path)
    return [_listed(split, entry) for entry in entries.values()]


def _listed(split: str, entry: UniSignEntry) -> ListedClip:
    gloss = " ".join(entry.gloss) if isinstance(entry.gloss, list) else entry.gloss
    folder = SPLIT_NAMES[split]
    return ListedClip(
        name=entry.video_path.rpartition(".")[0] or entry.video_path,
        places=(f"{folder}/{entry.video_path}", f"{split}/{entry.video_path}", entry.video_path),
        split=folder,
        label=gloss or entry.text or None,
    )


def _unlabelled(folder: Path, path: Path) -> ListedClip:
    inside = path.relative_to(folder)
    return ListedClip(str(inside.with_suffix("")), (str(inside),), SPLIT_NAMES.get(path.parent.name))
