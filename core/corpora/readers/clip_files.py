"""Read sources with separate files for each clip: one file per clip, or one file per frame."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.corpora.read_once import read_once
from core.corpora.readers.checks.pixels import stated_size
from core.corpora.readers.raw_clip import OpenedSource, RawClip, RawClips, ReadOptions, Unreadable
from core.corpora.source import ReadReport
from core.errors import CorpusError, PoseError
from core.specs.source_formats import SourceFormat

_CLIPS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The files of a clip, in any order, and its metadata from folder names or a table."""

    name: str
    files: tuple[Path, ...]
    label: str | None = None
    signer: str | None = None
    session: str | None = None
    split: str | None = None


ReadClip = Callable[[ClipFiles, ReadOptions, ReadReport], RawClip]
"""Reads one clip's keypoints, or raises a CorpusError that names the invalid file.

What the file itself says of the clip counts where folders and tables say nothing.
"""
GroupFiles = Callable[[Path, Sequence[Path]], list[ClipFiles]]
"""Groups a folder's files into clips."""


def one_clip_per_file(folder: Path, files: Sequence[Path]) -> list[ClipFiles]:
    """Make a clip of each file `<sign>/<clip>.*` or `<clip>.*`; the sign is the name of the file's folder."""
    clips = []
    for path in files:
        inside = path.relative_to(folder).with_suffix("")
        clips.append(ClipFiles(str(inside), (path,), inside.parts[-2] if len(inside.parts) > 1 else None))
    return clips


@dataclass(frozen=True)
class ClipFormat:
    """A format with separate files for each clip: how clips are grouped and read.

    `frames_apart`: each file holds one frame, not a clip. `states_size`: files may state the frame size.
    """

    format: SourceFormat
    read: ReadClip
    group: GroupFiles = one_clip_per_file
    frames_apart: bool = False
    states_size: bool = True


def open_clip(path: Path, layout: ClipFormat, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """Open a source of one file.

    Raises:
        CorpusError: the file is damaged (in a folder such a clip is skipped), or it is a single frame.
    """
    if layout.frames_apart:
        raise CorpusError(
            f"{path} is a single frame. To import {layout.format}, give a folder with the frames of a clip."
        )
    raw = layout.read(ClipFiles(path.stem, (path,)), options, report)
    return OpenedSource(layout.format, 1, [RawClips((raw,))], options.profile, report)


def open_clips(
    clips: Sequence[ClipFiles], layout: ClipFormat, options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open a source of many clips; damaged ones are skipped and counted.

    Raises:
        CorpusError: the frame size is neither in the files nor in the options.
    """
    if not layout.states_size:
        stated_size(clips[0].files[0], options.image_size)
    pieces = [
        ClipsPiece(tuple(clips[first : first + _CLIPS_AT_ONCE]), layout, options)
        for first in range(0, len(clips), _CLIPS_AT_ONCE)
    ]
    return OpenedSource(layout.format, len(clips), pieces, options.profile, report, separate_files=True)


@dataclass(frozen=True)
class ClipsPiece:
    """A few clips, read in the process that receives the piece."""

    clips: tuple[ClipFiles, ...]
    layout: ClipFormat
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips; `Unreadable` for a damaged one."""
        for clip in self.clips:
            seen = ReadReport()
            try:
                with read_once(report.file_digests):
                    raw = self.layout.read(clip, self.options, seen)
            except (CorpusError, PoseError) as error:
                yield Unreadable(clip.name, str(error))
                continue
            report.add(seen)
            yield replace(
                raw,
                label=clip.label or raw.label,
                signer=clip.signer or raw.signer,
                session=clip.session or raw.session,
                split=clip.split or raw.split,
            )
