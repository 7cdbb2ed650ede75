"""Reading the clips that a benchmark lists, whatever format their pose files have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from core.corpora.readers.benchmarks.clip_places import Found, frames_of, with_pose_files
from core.corpora.readers.benchmarks.listed_clips import (
    ListedClip,
    check_labels,
    chosen,
    note_shared_signers,
    profile_named,
    without_repeats,
)
from core.corpora.readers.clip_files import ClipFiles
from core.corpora.readers.clip_formats import clip_format_of
from core.corpora.readers.formats import coco_wholebody, pose_pickle
from core.corpora.readers.formats.pose_pickle import Pose
from core.corpora.readers.raw_clip import OpenedSource, RawClip, ReadOptions, Unreadable
from core.corpora.source import ReadReport
from core.errors import CorpusError, PoseError
from core.specs.jobs import SourceFormat

_FILES_AT_ONCE = 16


def open_listed(
    format_name: SourceFormat,
    clips: Sequence[ListedClip],
    folder: Path,
    files: Sequence[Path],
    options: ReadOptions,
    report: ReadReport,
) -> OpenedSource:
    """A source of the listed clips that were asked for, each in a pose file of its own among `files`.

    Raises:
        CorpusError: not one of them has a pose file, one has two labels, or more was asked for than there is.
    """
    check_labels(clips, options.benchmark)
    wanted = without_repeats(chosen(clips, options.benchmark, report), report)
    found = with_pose_files(clips, wanted, folder, files, report)
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
    """The options, with the thresholds of the benchmark that folders name where none were asked for.

    `inside` is a file or folder below the source's `folder`.
    """
    if options.profile_is_stated:
        return options
    outside = () if folder.name.startswith(".") else (folder.name,)  # where an archive was unpacked
    named = str(PurePath(*outside, inside.relative_to(folder)))
    if (profile := profile_named(named)) is None:
        report.note(
            f"Nothing names the benchmark: the thresholds of {options.profile.name} were used; set profile "
            "(--profile) for others."
        )
        return options
    report.note(
        f"The thresholds of {profile.name} were used, as {named!r} names it; set profile "
        "(--profile) for others."
    )
    return replace(options, profile=profile)


@dataclass(frozen=True)
class ListedPiece:
    """Some listed clips and their pose files."""

    found: tuple[Found, ...]
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """The clips; one whose file is damaged is one that cannot be read."""
        for clip, path in self.found:
            try:
                yield read_clip(path, clip, self.options, report)
            except (CorpusError, PoseError) as error:
                yield Unreadable(clip.name, str(error))


def read_clip(path: Path, clip: ListedClip, options: ReadOptions, report: ReadReport) -> RawClip:
    """The one clip of a file or of a folder of frames, of any format, under its listed name.

    Raises:
        CorpusError: it cannot be read, or the options cannot be heeded in its format.
        PoseError: its keypoints are none.
    """
    options = replace(options, image_size=options.image_size or clip.image_size)
    files = frames_of(path) if path.is_dir() else (path,)
    layout = clip_format_of(files[0])
    if layout is None or (not path.is_dir() if layout.frames_apart else len(files) > 1):
        raise CorpusError(f"{path} is no pose of one clip, or is damaged.")
    if layout == coco_wholebody.LAYOUT:
        keypoints, size, rate = coco_wholebody.read_keypoints(path, options, report)
        return as_listed(Pose(keypoints, size, frame_rate=rate).as_clip(clip.name, options, report), clip)
    asked = options.benchmark
    if layout != pose_pickle.LAYOUT and (asked.drop_last_frame or asked.override_image_size):
        raise CorpusError(
            f"{path} is no pickle or .npz: drop_last_frame (--drop-last-frame) and "
            "override_image_size (--override-image-size) need one."
        )
    return as_listed(layout.read(ClipFiles(clip.name, files), options, report), clip)


def as_listed(raw: RawClip, clip: ListedClip) -> RawClip:
    """A clip with what its list says about it."""
    return replace(raw, label=clip.label, signer=clip.signer, split=clip.split)
