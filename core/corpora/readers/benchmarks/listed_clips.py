"""Clips of a benchmark's lists, and the selection of those to import."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.source import ReadReport
from core.corpora.split_names import TRAIN
from core.errors import CorpusError
from core.pose.normalise import PROFILES, NormalisationProfile
from core.specs.counts import counted
from core.specs.source_formats import ProfileName

NO_POSE = "no pose"
"""Reason for skipping a listed clip without keypoints."""

_NAMED = 5
_PROFILE_NAMES: tuple[tuple[str, ProfileName], ...] = (
    ("nmf", "nmfs_csl"),
    ("slr500", "slr500"),
    ("msasl", "msasl"),
    ("mlasl", "msasl"),
    ("wlasl", "wlasl"),
)


@dataclass(frozen=True)
class ListedClip:
    """A clip of a list. `places` are possible paths of its keypoints, `class_index` its class number from 0.

    `image_size` is the video's (width, height) in pixels, None if the list does not state it.
    """

    name: str
    places: tuple[str, ...]
    split: str | None = None
    class_index: int | None = None
    label: str | None = None
    signer: str | None = None
    image_size: tuple[int, int] | None = None


def select_clips(
    clips: Sequence[ListedClip], options: BenchmarkOptions, report: ReadReport
) -> list[ListedClip]:
    """Select the clips of the first `options.classes` classes, without excluded clips.

    Raises:
        CorpusError: there are fewer classes, an excluded clip is not listed, or no clip is left.
    """
    kept = _of_first_classes(clips, options.classes)
    if not kept:
        raise CorpusError("The lists are empty, or have no clip of the selected classes.")
    wanted = _without_excluded(kept, options)
    if not wanted:
        raise CorpusError(
            f"exclude_clips and exclude_train_positions exclude all {len(kept)} clips. Exclude fewer."
        )
    if len(wanted) < len(kept):
        report.note(
            f"{counted(len(kept) - len(wanted), 'clip')} excluded by exclude_clips and "
            "exclude_train_positions."
        )
    return wanted


def check_labels(clips: Sequence[ListedClip], options: BenchmarkOptions) -> None:
    """Reject lists that give one clip two labels or signers, unless the clip is excluded by name.

    Raises:
        CorpusError: names the clip and its two labels or signers.
    """
    for what in ("label", "signer"):
        _check_one(clips, what, options)


def check_splits(clips: Sequence[ListedClip], options: BenchmarkOptions) -> None:
    """Reject a table that gives one clip two splits; separate lists are checked when the corpus is written.

    Raises:
        CorpusError: names the clip and its two splits.
    """
    _check_one(clips, "split", options)


def _check_one(clips: Sequence[ListedClip], what: str, options: BenchmarkOptions) -> None:
    first: dict[str, str] = {}
    for clip in clips:
        value = getattr(clip, what)
        if value is None or clip.name in options.exclude_clips:
            continue
        if (known := first.setdefault(clip.name, value)) != value:
            raise CorpusError(
                f"Clip {clip.name!r} is listed with two {what}s, {known!r} and {value!r}. Correct the lists, "
                "or exclude the clip with exclude_clips (--exclude)."
            )


def check_one_folder(lists: Sequence[Path]) -> None:
    """Reject lists in several folders, which belong to different benchmarks.

    Raises:
        CorpusError: names one list of each of two folders.
    """
    if other := next((path for path in lists if path.parent != lists[0].parent), None):
        raise CorpusError(
            f"{lists[0]} and {other} belong to different benchmarks. Import each folder separately."
        )


def without_repeats(clips: Sequence[ListedClip], report: ReadReport) -> list[ListedClip]:
    """Remove clips that their split's list already has."""
    once: dict[tuple[str, str | None], ListedClip] = {}
    for clip in clips:
        once.setdefault((clip.name, clip.split), clip)
    if repeats := len(clips) - len(once):
        report.note(f"{repeats} lines repeat a clip of the same list; each clip was read once.")
    return list(once.values())


def note_shared_signers(clips: Sequence[ListedClip], report: ReadReport) -> None:
    """Report how many signers are in more than one split."""
    splits: dict[str, set[str | None]] = {}
    for clip in clips:
        if clip.signer is not None:
            splits.setdefault(clip.signer, set()).add(clip.split)
    shared = sum(len(sides) > 1 for sides in splits.values())
    if shared:
        report.note(
            f"{shared} of {len(splits)} signers are in more than one of the benchmark's published splits, so "
            "scores on it are too high for new signers. To test on unseen signers, set split.by (--split-by) "
            "to 'signer'."
        )


def skip_without_pose(clip: ListedClip, detail: str, report: ReadReport) -> None:
    """Count a clip without keypoints. Only the first are named, as lists may have many unavailable videos."""
    if report.skipped[NO_POSE] < _NAMED:
        report.skip(clip.name, NO_POSE, detail)
    else:
        report.skipped[NO_POSE] += 1


def numbered_label(class_index: int) -> str:
    """Return the label of a class without a name, zero-padded so that labels sort by number."""
    return f"{class_index:04d}"


def profile_named(text: str) -> NormalisationProfile | None:
    """Return the thresholds of the benchmark that a path mentions, or None."""
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    return next((PROFILES[profile] for name, profile in _PROFILE_NAMES if name in letters), None)


def _of_first_classes(clips: Sequence[ListedClip], num_classes: int | None) -> list[ListedClip]:
    if num_classes is None:
        return list(clips)
    if any(clip.class_index is None for clip in clips):
        raise CorpusError(
            f"benchmark_classes (--classes) is {num_classes}, but the source's classes have no numbers. "
            "Import all classes, or add the benchmark's list of classes beside its lists."
        )
    num_there = 1 + max((clip.class_index or 0 for clip in clips), default=-1)
    if num_classes > num_there:
        raise CorpusError(
            f"benchmark_classes (--classes) is {num_classes}, but the source has only {num_there} classes."
        )
    return [clip for clip in clips if (clip.class_index or 0) < num_classes]


def _without_excluded(clips: Sequence[ListedClip], options: BenchmarkOptions) -> list[ListedClip]:
    missing = set(options.exclude_clips) - {clip.name for clip in clips}
    if missing:
        raise CorpusError(
            f"exclude_clips (--exclude) names {', '.join(map(repr, sorted(missing)[:_NAMED]))}, which no "
            f"list has. Clip names look like {clips[0].name!r}."
        )
    train = [clip for clip in clips if clip.split == TRAIN]
    unwanted = _at_positions(train, options.exclude_train_positions)
    return [clip for clip in clips if clip.name not in options.exclude_clips and clip not in unwanted]


def _at_positions(train: Sequence[ListedClip], positions: Sequence[int]) -> set[ListedClip]:
    if positions and max(positions) >= len(train):
        raise CorpusError(
            f"exclude_train_positions (--exclude-train-position) has the value {max(positions)}, but the "
            f"training list has {len(train)} clips. Positions start at 0."
        )
    return {train[position] for position in positions}
