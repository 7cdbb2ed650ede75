"""The step all readers share: from a source's raw keypoints to normalised clips, or reasons to skip them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.readers.checks.confidences import note_unbounded
from core.corpora.readers.checks.frame_fit import note_misfit
from core.corpora.readers.checks.sides import note_sides
from core.corpora.source import ReadReport, SourceClip
from core.corpora.split_names import split_named
from core.errors import PoseError
from core.pose.normalise import NormalisationProfile, Normalised, Video, normalise_videos

NO_HANDS = "no hands"
UNREADABLE = "unreadable"
NO_FRAMES = "no frames"

SLOWEST, FASTEST = 1, 1000
"""Frames a second, below and above which a stated frame rate is taken for a mistake."""

_FRAMES_AT_ONCE = 2048
"""Frames normalised together: enough to hide the price of calls, and of waits for the interpreter's lock."""

_LOOKS = (note_misfit, note_unbounded, note_sides)
"""What is looked at in every clip, whatever its format, to note what may be wrong with it."""


@dataclass(frozen=True)
class ReadOptions:
    """How sources are read: thresholds, and the (width, height) of frames where the source is silent.

    A benchmark's own thresholds take the place of those that nobody stated. `unmirror_frames` undoes what was
    done to frames before points were looked for in them.
    """

    profile: NormalisationProfile
    image_size: tuple[int, int] | None = None
    benchmark: BenchmarkOptions = field(default_factory=BenchmarkOptions)
    profile_is_stated: bool = True
    unmirror_frames: bool = False


@dataclass(frozen=True)
class RawClip:
    """A video's joints, how many frames it had, and what the source says about it."""

    video: Video
    num_frames: int
    name: str
    label: str | None = None
    signer: str | None = None
    session: str | None = None
    split: str | None = None
    frame_rate: float | None = field(default=None, kw_only=True)

    @classmethod
    def of(
        cls,
        keypoints: np.ndarray,
        image_size: tuple[int, int],
        name: str,
        *facts: str | None,
        frame_rate: float | None = None,
    ) -> "RawClip":
        """Take what is needed of COCO-WholeBody keypoints (n, 133, 3) in pixels.

        `facts` are label, signer, session and split; an impossible `frame_rate` (frames a second) is unknown.
        """
        width, height = image_size
        video = Video.of(keypoints, width=width, height=height)
        return cls(video, len(keypoints), name, *facts, frame_rate=_possible(frame_rate))


@dataclass(frozen=True)
class Unreadable:
    """A clip that is there but cannot be read, and why."""

    name: str
    detail: str


class Piece(Protocol):
    """A few clips of a source, or where to find them: small to send to another process."""

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Its clips, in order; what has to be assumed is noted in the report."""


@dataclass(frozen=True)
class RawClips:
    """A piece whose clips are in memory already."""

    clips: tuple[RawClip | Unreadable, ...]

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """The clips."""
        return iter(self.clips)


@dataclass(frozen=True)
class OpenedSource:
    """An opened source: its format, how many clips it announces, and its pieces, in order.

    `separate_files`: pieces are only read where they are sent, so that several processes gain something.
    `published_split`: the clips' splits are a benchmark's own.
    """

    format: str
    num_clips: int
    pieces: Iterable[Piece]
    profile: NormalisationProfile
    report: ReadReport
    separate_files: bool = False
    published_split: bool = False


def normalised(piece: Piece, profile: NormalisationProfile, report: ReadReport) -> Iterator[SourceClip]:
    """Normalise a piece's clips, several at a time; those without frames or hands are skipped and counted."""
    waiting: list[RawClip | Unreadable] = []
    num_frames = 0
    for raw in piece.read(report):
        waiting.append(raw)
        num_frames += len(raw.video) if isinstance(raw, RawClip) else 0
        if num_frames >= _FRAMES_AT_ONCE:
            yield from _normalised_together(waiting, profile, report)
            waiting, num_frames = [], 0
    yield from _normalised_together(waiting, profile, report)


def _normalised_together(
    raws: list[RawClip | Unreadable], profile: NormalisationProfile, report: ReadReport
) -> Iterator[SourceClip]:
    videos = [raw.video for raw in raws if isinstance(raw, RawClip) and raw.num_frames]
    results = iter(normalise_videos(videos, profile) if videos else ())
    for raw in raws:
        if isinstance(raw, Unreadable):
            report.skip(raw.name, UNREADABLE, raw.detail)
        elif raw.num_frames == 0:
            report.skip(raw.name, NO_FRAMES)
        else:
            for look in _LOOKS:
                look(raw.name, raw.video, report)
            yield from _counted(raw, next(results), report)


def _counted(raw: RawClip, result: Normalised | PoseError, report: ReadReport) -> Iterator[SourceClip]:
    if isinstance(result, PoseError):
        report.skip(raw.name, NO_HANDS, str(result))
        return
    num_read, num_kept = len(raw.video), len(result.clip)
    report.clips_read += 1
    report.measure(raw.num_frames, raw.frame_rate)
    report.frames_kept += num_kept
    report.frames_subsampled += raw.num_frames - num_read
    report.frames_without_hands += num_read - num_kept
    label, signer, session, split = (_plain(fact) for fact in (raw.label, raw.signer, raw.session, raw.split))
    yield SourceClip(result.clip, raw.name, label, signer, session, _split(split, report))


def _plain(fact: str | None) -> str | None:
    """Without spaces around it; of nothing else, unknown."""
    return (fact or "").strip() or None


def _split(given: str | None, report: ReadReport) -> str | None:
    if given is None or (ours := split_named(given)) == given:
        return given
    report.note(f"The split {given!r} is called {ours!r} here.")
    return ours


def _possible(frame_rate: float | None) -> float | None:
    return frame_rate if frame_rate is not None and SLOWEST <= frame_rate <= FASTEST else None
