"""Read the clips of a benchmark's lists, from pose files of any supported format."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from core.corpora.readers.benchmarks.clip_places import Found, frame_files, match_pose_files
from core.corpora.readers.benchmarks.listed_clips import (
    ListedClip,
    check_labels,
    note_shared_signers,
    profile_named,
    select_clips,
    without_repeats,
)
from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.clip_formats import clip_format_of
from core.corpora.readers.formats import coco_wholebody, pose_pickle
from core.corpora.readers.formats.pose_pickle import Pose
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.source import ReadReport
from core.errors import CorpusError, PoseError
from core.specs.source_formats import SourceFormat

_FILES_AT_ONCE = 16


def open_listed(
    format_name: SourceFormat,
    clips: Sequence[ListedClip],
    folder: Path,
    files: Sequence[Path],
    options: ReadOptions,
    report: ReadReport,
) -> OpenedSource:
    """Open a source of the selected listed clips, each with its own pose file among `files`.

    Raises:
        CorpusError: no clip has a pose file, a clip has two labels, or a selected class or clip is missing.
    """
    check_labels(clips, options.benchmark)
    wanted = without_repeats(select_clips(clips, options.benchmark, report), report)
    found = match_pose_files(clips, wanted, folder, files, report)
    note_shared_signers([clip for clip, _ in found], report)
    pieces = [
        ListedPiece(tuple(found[first : first + _FILES_AT_ONCE]), options)
        for first in range(0, len(found), _FILES_AT_ONCE)
    ]
    return OpenedSource(
        format_name,
        len(wanted),
        pieces,
        options.profile,
        report,
        separate_files=True,
        published_split=True,
    )


def with_profile(options: ReadOptions, folder: Path, inside: Path, report: ReadReport) -> ReadOptions:
    """If no profile is stated, use the thresholds of the benchmark that a folder name mentions.

    `inside` is a file or folder below the source's `folder`.
    """
    if options.profile_is_stated:
        return options
    outside = () if folder.name.startswith(".") else (folder.name,)  # hidden: a temporary unpacking folder
    named = str(PurePath(*outside, inside.relative_to(folder)))
    if (profile := profile_named(named)) is None:
        report.note(
            f"The benchmark could not be identified, so the thresholds of {options.profile.name} were used. "
            "For other thresholds set profile (--profile)."
        )
        return options
    report.note(
        f"The thresholds of {profile.name} were used, because of the name {named!r}. For other thresholds "
        "set profile (--profile)."
    )
    return replace(options, profile=profile)


@dataclass(frozen=True)
class ListedPiece:
    """A few listed clips and their pose files."""

    found: tuple[Found, ...]
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips; `Unreadable` for a damaged file."""
        for clip, path in self.found:
            try:
                yield read_clip(path, clip, self.options, report)
            except (CorpusError, PoseError) as error:
                yield Unreadable(clip.name, str(error))


def read_clip(path: Path, clip: ListedClip, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read the clip of a file or of a folder of frames, in any format, and give it its listed name.

    Raises:
        CorpusError: it cannot be read, or its format does not support the options.
        PoseError: its keypoints are invalid.
    """
    raw = _read_pose(path, clip, replace(options, image_size=options.image_size or clip.image_size), report)
    if options.image_size is None and (raw.video.width, raw.video.height) == clip.image_size:
        report.note("For pose files without a frame size, the video size in the annotations was used.")
    return apply_listing(raw, clip)


def _read_pose(path: Path, clip: ListedClip, options: ReadOptions, report: ReadReport) -> RawClip:
    files = frame_files(path) if path.is_dir() else (path,)
    layout = clip_format_of(files[0])
    if layout is None or (not path.is_dir() if layout.frames_apart else len(files) > 1):
        raise CorpusError(f"{path} is not a pose file of one clip, or is damaged.")
    if layout == coco_wholebody.LAYOUT:
        keypoints, size, rate = coco_wholebody.read_keypoints(path, options, report)
        return Pose(keypoints, size, frame_rate=rate).as_clip(clip.name, options, report)
    benchmark = options.benchmark
    if layout != pose_pickle.LAYOUT and (benchmark.drop_last_frame or benchmark.override_image_size):
        raise CorpusError(
            f"{path} is not a pickle or .npz file. drop_last_frame (--drop-last-frame) and "
            "override_image_size (--override-image-size) work only with these."
        )
    return layout.read(ClipFiles(clip.name, files), options, report)


def apply_listing(raw: RawClip, clip: ListedClip) -> RawClip:
    """Set a clip's label, signer and split from its list."""
    return replace(raw, label=clip.label, signer=clip.signer, split=clip.split)
