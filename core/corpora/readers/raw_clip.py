"""The step all readers share: from a source's raw keypoints to a normalised clip, or a reason to skip it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from core.corpora.source import ReadReport, SourceClip
from core.errors import PoseError
from core.pose.normalise import NormalisationProfile, normalise, subsample_stride

NO_HANDS = "no hands"
UNREADABLE = "unreadable"
NO_FRAMES = "no frames"


@dataclass(frozen=True)
class ReadOptions:
    """How sources are read: thresholds, and the (width, height) of frames where the source is silent."""

    profile: NormalisationProfile
    image_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Source:
    """An opened source: its format, how many clips it announces, and those that can be used, in order."""

    format: str
    num_clips: int
    clips: Iterator[SourceClip]


@dataclass(frozen=True)
class RawClip:
    """COCO-WholeBody keypoints (n, 133, 3) in pixels, their image size, and what the source says."""

    keypoints: np.ndarray
    image_size: tuple[int, int]
    name: str
    label: str | None = None
    signer: str | None = None
    session: str | None = None
    split: str | None = None


def normalised(
    raws: Iterable[RawClip], profile: NormalisationProfile, report: ReadReport
) -> Iterator[SourceClip]:
    """Normalise each clip; those without frames or hands are skipped and counted."""
    for raw in raws:
        source = _normalised(raw, profile, report)
        if source is not None:
            yield source


def _normalised(raw: RawClip, profile: NormalisationProfile, report: ReadReport) -> SourceClip | None:
    num_frames = len(raw.keypoints)
    if num_frames == 0:
        report.skip(raw.name, NO_FRAMES)
        return None
    width, height = raw.image_size
    try:
        clip = normalise(raw.keypoints, width=width, height=height, profile=profile).clip
    except PoseError as error:
        report.skip(raw.name, NO_HANDS, str(error))
        return None
    num_read = len(range(0, num_frames, subsample_stride(num_frames)))
    report.clips_read += 1
    report.frames_kept += len(clip)
    report.frames_subsampled += num_frames - num_read
    report.frames_without_hands += num_read - len(clip)
    return SourceClip(clip, raw.name, raw.label, raw.signer, raw.session, raw.split)
