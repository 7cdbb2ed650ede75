"""What a benchmark's lists say about its clips, and which of them an import asked for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.source import ReadReport
from core.corpora.split_names import TRAIN
from core.errors import CorpusError
from core.pose.normalise import PROFILES, NormalisationProfile
from core.specs.jobs import ProfileName

NO_POSE = "no pose"
"""Why a clip is skipped that is listed, but has no keypoints."""

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
    """A clip of a list. `places` are names its keypoints may have, `class_index` its gloss' number from 0.

    `image_size` (width, height) is the video's in pixels, None where the list does not say.
    """

    name: str
    places: tuple[str, ...]
    split: str | None = None
    class_index: int | None = None
    label: str | None = None
    signer: str | None = None
    image_size: tuple[int, int] | None = None


def chosen(clips: Sequence[ListedClip], options: BenchmarkOptions, report: ReadReport) -> list[ListedClip]:
    """The clips of the first `options.classes` classes, without those to leave out.

    Raises:
        CorpusError: fewer classes than asked for, a clip to leave out that is not there, or nothing left.
    """
    kept = _of_first_classes(clips, options.classes)
    if not kept:
        raise CorpusError("No clip is listed, or none of the classes that were asked for.")
    wanted = _without_excluded(kept, options)
    if not wanted:
        raise CorpusError(f"exclude_clips and positions leave none of {len(kept)} clips.")
    if len(wanted) < len(kept):
        report.note(f"{len(kept) - len(wanted)} clips were left out, as exclude_clips and positions ask.")
    return wanted


def check_labels(clips: Sequence[ListedClip], options: BenchmarkOptions) -> None:
    """Refuse lists, in which a name is one clip, that say two things of it; one left out by name may be so.

    Raises:
        CorpusError: names the clip and its two labels.
    """
    first: dict[str, str] = {}
    for clip in clips:
        if clip.label is None or clip.name in options.exclude_clips:
            continue
        if (label := first.setdefault(clip.name, clip.label)) != clip.label:
            raise CorpusError(
                f"Clip {clip.name!r} is listed as {label!r} and as {clip.label!r}; correct the lists, "
                "or leave it out with exclude_clips (--exclude)."
            )


def without_repeats(clips: Sequence[ListedClip], report: ReadReport) -> list[ListedClip]:
    """Each clip once, even where its split's list names it twice."""
    once: dict[tuple[str, str | None], ListedClip] = {}
    for clip in clips:
        once.setdefault((clip.name, clip.split), clip)
    if repeats := len(clips) - len(once):
        report.note(f"{repeats} lines name a clip that the same list has already; it is read once.")
    return list(once.values())


def note_shared_signers(clips: Sequence[ListedClip], report: ReadReport) -> None:
    """Mention how many signers of the clips are in more than one split."""
    splits: dict[str, set[str | None]] = {}
    for clip in clips:
        if clip.signer is not None:
            splits.setdefault(clip.signer, set()).add(clip.split)
    shared = sum(len(sides) > 1 for sides in splits.values())
    if shared:
        report.note(
            f"{shared} of {len(splits)} signers are in more than one split, as the benchmark publishes it: "
            "scores on it also reward knowing the signer. Set split.by (--split-by) to 'signer' for unseen "
            "ones."
        )


def skip_without_pose(clip: ListedClip, detail: str, report: ReadReport) -> None:
    """Count a clip without keypoints; only a few are named, as a list may well be of videos that are gone."""
    if report.skipped[NO_POSE] < _NAMED:
        report.skip(clip.name, NO_POSE, detail)
    else:
        report.skipped[NO_POSE] += 1


def numbered_label(class_index: int) -> str:
    """The label of a class without a name; labels sort as numbers do."""
    return f"{class_index:04d}"


def profile_named(text: str) -> NormalisationProfile | None:
    """The thresholds of the benchmark that a path names, if it names one."""
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    return next((PROFILES[profile] for name, profile in _PROFILE_NAMES if name in letters), None)


def _of_first_classes(clips: Sequence[ListedClip], num_classes: int | None) -> list[ListedClip]:
    if num_classes is None:
        return list(clips)
    if any(clip.class_index is None for clip in clips):
        raise CorpusError(
            f"benchmark_classes (--classes) is {num_classes}, but the source does not number its classes; "
            "import them all, or put the benchmark's list of classes beside its lists."
        )
    there_are = 1 + max((clip.class_index or 0 for clip in clips), default=-1)
    if num_classes > there_are:
        raise CorpusError(
            f"benchmark_classes (--classes) is {num_classes}, but the source has {there_are} classes."
        )
    return [clip for clip in clips if (clip.class_index or 0) < num_classes]


def _without_excluded(clips: Sequence[ListedClip], options: BenchmarkOptions) -> list[ListedClip]:
    missing = set(options.exclude_clips) - {clip.name for clip in clips}
    if missing:
        raise CorpusError(
            f"exclude_clips (--exclude) names {', '.join(map(repr, sorted(missing)[:_NAMED]))}, but no list "
            f"has such a clip; they are called {clips[0].name!r} and so on."
        )
    train = [clip for clip in clips if clip.split == TRAIN]
    unwanted = _at_positions(train, options.exclude_train_positions)
    return [clip for clip in clips if clip.name not in options.exclude_clips and clip not in unwanted]


def _at_positions(train: Sequence[ListedClip], positions: Sequence[int]) -> set[ListedClip]:
    if positions and max(positions) >= len(train):
        raise CorpusError(
            f"exclude_train_positions (--exclude-train-position) goes up to {max(positions)}, but the "
            f"training list has {len(train)} clips; the first is at 0."
        )
    return {train[position] for position in positions}
