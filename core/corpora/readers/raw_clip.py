"""Shared step of all readers: normalise raw keypoints to clips, or skip a clip and report the reason."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from core.corpora.findings import FindingKind
from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.readers.checks.body import Body, bodies_of
from core.corpora.readers.checks.doubtful_values import note_points
from core.corpora.readers.checks.hands_and_arms import note_hands_and_arms
from core.corpora.readers.checks.jumps import note_jumps
from core.corpora.readers.checks.off_centre import note_off_centre
from core.corpora.readers.checks.sides import note_sides
from core.corpora.readers.checks.still_points import note_still_points
from core.corpora.readers.checks.upright import note_upright
from core.corpora.readers.table_options import TableOptions
from core.corpora.source import ReadReport, SourceClip
from core.corpora.split_names import canonical_split_name
from core.errors import PoseError
from core.pose.normalise import JoinedVideos, NormalisationProfile, Normalised, Video, normalise_videos
from core.specs.plain_names import plain_name
from core.specs.source_formats import Sides, VectorPart

NO_HANDS = "no hands"
UNREADABLE = "unreadable"
NO_FRAMES = "no frames"

MIN_FRAME_RATE, MAX_FRAME_RATE = 1, 1000
"""Range of plausible frame rates, in frames a second; a rate outside is ignored."""

SLOWEST, FASTEST = 5, 120
"""Usual frame rates; those outside are reported."""
ODD_RATE = FindingKind(
    "odd-frame-rate",
    "{clips} have an unusual frame rate (for example {example} frames a second; usual are "
    f"{SLOWEST} to {FASTEST}). Durations are then wrong. Check how the video was read.",
)

_FRAMES_AT_ONCE = 2048
"""Frames normalised together: enough to amortise the overhead of calls and of waits for the GIL."""


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading a source: thresholds, and the frames' (width, height) if the source has none.

    If no profile is stated, a benchmark's own thresholds are used. `unmirror_frames` undoes mirroring of the
    frames before pose estimation; `sides` exchanges the names of left and right. `size_wins`: the stated
    `image_size` is used even if a file states another. `part_order` is that of vectors. `table` is the table
    of labels.
    """

    profile: NormalisationProfile
    image_size: tuple[int, int] | None = None
    benchmark: BenchmarkOptions = field(default_factory=BenchmarkOptions)
    profile_is_stated: bool = True
    unmirror_frames: bool = False
    sides: Sides = "as_stored"
    size_wins: bool = True
    part_order: tuple[VectorPart, ...] = ()
    table: TableOptions = field(default_factory=TableOptions)


@dataclass(frozen=True)
class RawClip:
    """A video's joints, its number of frames in the source, and its metadata.

    `highest_confidence` is the limit of the format; None if it has none. `is_in_doubt`: a finding says that
    the points are probably others than those they were read as, so checks of their places say nothing.
    """

    video: Video
    num_frames: int
    name: str
    label: str | None = None
    signer: str | None = None
    session: str | None = None
    split: str | None = None
    frame_rate: float | None = field(default=None, kw_only=True)
    highest_confidence: float | None = field(default=None, kw_only=True)
    is_in_doubt: bool = field(default=False, kw_only=True)

    @classmethod
    def of(
        cls,
        keypoints: np.ndarray,
        image_size: tuple[int, int],
        name: str,
        *facts: str | None,
        frame_rate: float | None = None,
        highest_confidence: float | None = None,
    ) -> "RawClip":
        """Make a clip from COCO-WholeBody keypoints (n, 133, 3) in pixels.

        `facts` are label, signer, session and split; `frame_rate` is in Hz.
        """
        width, height = image_size
        video = Video.of(keypoints, width=width, height=height)
        return cls(
            video,
            len(keypoints),
            name,
            *facts,
            frame_rate=frame_rate,
            highest_confidence=highest_confidence,
        )


@dataclass(frozen=True)
class Unreadable:
    """A clip that cannot be read, and the reason."""

    name: str
    detail: str


class Piece(Protocol):
    """A few clips of a source, or their location: small enough to send to another process."""

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Yield the clips in order; assumptions are noted in the report."""


@dataclass(frozen=True)
class RawClips:
    """A piece whose clips are already in memory."""

    clips: tuple[RawClip | Unreadable, ...]

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        """Iterate over the clips."""
        return iter(self.clips)


@dataclass(frozen=True)
class OpenedSource:
    """An opened source: its format, its stated number of clips, and its pieces in order.

    `separate_files`: each process reads its pieces from disk itself, so several processes are faster.
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
    """Normalise a piece's clips in batches; clips without frames or hands are skipped and counted."""
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
    measured = _measured([raw.video for raw in raws if isinstance(raw, RawClip) and raw.num_frames], profile)
    for raw in raws:
        if isinstance(raw, Unreadable):
            report.skip(raw.name, UNREADABLE, raw.detail)
        elif raw.num_frames == 0:
            report.skip(raw.name, NO_FRAMES)
        else:
            result, body = next(measured)
            _check(raw, body, report)
            yield from _counted(raw, result, report)


def _measured(
    videos: Sequence[Video], profile: NormalisationProfile
) -> Iterator[tuple[Normalised | PoseError, Body]]:
    if not videos:
        return iter(())
    joined = JoinedVideos.of(videos)
    return zip(normalise_videos(joined, profile), bodies_of(joined), strict=True)


def _check(raw: RawClip, body: Body, report: ReadReport) -> None:
    """Check whether a clip is plausible, in any format."""
    name, video = raw.name, raw.video
    note_still_points(name, video, report)
    if raw.is_in_doubt:
        return
    note_points(name, video, body, raw.highest_confidence, report)
    if note_upright(name, body, report):
        note_sides(name, video.width, body, report)
    note_off_centre(name, video.width, body, report)
    note_hands_and_arms(name, body, report)
    note_jumps(name, body, report)


def _counted(raw: RawClip, result: Normalised | PoseError, report: ReadReport) -> Iterator[SourceClip]:
    if isinstance(result, PoseError):
        report.skip(raw.name, NO_HANDS, str(result))
        return
    num_read, num_kept = len(raw.video), len(result.clip)
    report.clips_read += 1
    report.see(result.clip)
    report.measure(raw.num_frames, _checked_rate(raw, report))
    report.frames_kept += num_kept
    report.frames_subsampled += raw.num_frames - num_read
    report.frames_without_hands += num_read - num_kept
    label, signer, session, split = (
        plain_name(fact or "") or None for fact in (raw.label, raw.signer, raw.session, raw.split)
    )
    name = plain_name(raw.name)
    yield SourceClip(result.clip, name, label, signer, session, _split(split, report))


def _split(given: str | None, report: ReadReport) -> str | None:
    if given is None or (ours := canonical_split_name(given)) == given:
        return given
    report.note(f"The split {given!r} was renamed to {ours!r}.")
    return ours


def _checked_rate(raw: RawClip, report: ReadReport) -> float | None:
    """Return the frame rate if it is possible, and report it if it is unlikely. 0 and NaN are unknown."""
    rate = raw.frame_rate
    if not rate or not np.isfinite(rate):
        return None
    if not SLOWEST <= rate <= FASTEST:
        report.find(ODD_RATE, f"{raw.name}: {rate:g}")
    return rate if MIN_FRAME_RATE <= rate <= MAX_FRAME_RATE else None
