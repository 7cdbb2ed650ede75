"""Clips that lie in files of their own: a file each, or a row of files with a frame each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.corpora.readers.checks.pixels import stated_size
from core.corpora.readers.raw_clip import OpenedSource, RawClip, RawClips, ReadOptions, Unreadable
from core.corpora.source import ReadReport
from core.errors import CorpusError, PoseError
from core.specs.jobs import SourceFormat

_CLIPS_AT_ONCE = 16


@dataclass(frozen=True)
class ClipFiles:
    """The files of a clip, in any order, and what their place or a table says about it."""

    name: str
    files: tuple[Path, ...]
    label: str | None = None
    signer: str | None = None
    session: str | None = None
    split: str | None = None


ReadClip = Callable[[ClipFiles, ReadOptions, ReadReport], RawClip]
"""Reads one clip's keypoints, or raises a CorpusError that names the file at fault."""
GroupFiles = Callable[[Path, Sequence[Path]], list[ClipFiles]]
"""Finds the clips among a folder's files."""


def a_file_each(folder: Path, files: Sequence[Path]) -> list[ClipFiles]:
    """Files `<sign>/<clip>.*` or `<clip>.*`, a clip each; the sign is the name of the file's folder."""
    clips = []
    for path in files:
        inside = path.relative_to(folder).with_suffix("")
        clips.append(ClipFiles(str(inside), (path,), inside.parts[-2] if len(inside.parts) > 1 else None))
    return clips


@dataclass(frozen=True)
class ClipFormat:
    """A layout of clips in files of their own: how they are found and read.

    `frames_apart`: a file holds a frame, not a clip. `states_size`: files may tell the size of their frames.
    """

    format: SourceFormat
    read: ReadClip
    group: GroupFiles = a_file_each
    frames_apart: bool = False
    states_size: bool = True


def open_clip(path: Path, layout: ClipFormat, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """A source of one file.

    Raises:
        CorpusError: damage (which in a folder is skipped), or the file is a single frame.
    """
    if layout.frames_apart:
        raise CorpusError(f"{path} is a single frame; {layout.format} is read of a folder of frames.")
    raw = layout.read(ClipFiles(path.stem, (path,)), options, report)
    return OpenedSource(layout.format, 1, [RawClips((raw,))], options.profile, report)


def open_clips(
    clips: Sequence[ClipFiles], layout: ClipFormat, options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """A source of many clips; a damaged one is skipped and counted.

    Raises:
        CorpusError: nobody tells the size of frames.
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
    """A few clips, to be read where they are sent."""

    clips: tuple[ClipFiles, ...]
    layout: ClipFormat
    options: ReadOptions

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """The clips; one with a damaged file is one that cannot be read."""
        for clip in self.clips:
            seen = ReadReport()
            try:
                raw = self.layout.read(clip, self.options, seen)
            except (CorpusError, PoseError) as error:
                yield Unreadable(clip.name, str(error))
                continue
            report.add(seen)
            yield replace(raw, label=clip.label, signer=clip.signer, session=clip.session, split=clip.split)
