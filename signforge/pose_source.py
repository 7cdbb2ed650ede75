"""Pose files as a stream of normalised clips, as an import reads them, without the service."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CorpusError, UserError
from core.specs.jobs import WantedFormat

if TYPE_CHECKING:
    from core.corpora.source import ReadReport, SourceClip

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoseSource:
    """An opened source: its clips, to be read once; how many it announces; and what is left out of it."""

    path: Path
    num_clips: int
    clips: Iterator["SourceClip"]
    report: "ReadReport"

    def nothing_usable(self) -> CorpusError:
        """What to raise where no clip came."""
        reasons = "; ".join(self.report.examples)
        return CorpusError(f"No clip of {self.path} can be used: {reasons or 'it is empty'}.")

    def warn_of_skipped(self) -> None:
        """Say in the log what was left out, once all clips have been read."""
        if self.report.num_skipped:
            reasons = "; ".join(self.report.examples)
            _log.warning("%d clips of %s were left out: %s", self.report.num_skipped, self.path, reasons)


@contextmanager
def open_poses(
    path: str | Path,
    *,
    source_format: WantedFormat = "auto",
    profile: str | None = None,
    image_size: tuple[int, int] | None = None,
) -> Iterator[PoseSource]:
    """Open a pose file, archive or folder; its clips are read and normalised as they are asked for.

    Where no `profile` is named, a benchmark's own thresholds count, or wlasl's, as at import.

    Raises:
        CorpusError: the source is damaged or of no known format; also while its clips are read.
        UserError: there is no such profile.
    """
    from core.corpora.readers.detect import open_source
    from core.corpora.readers.raw_clip import ReadOptions
    from core.corpora.reading import read_clips
    from core.corpora.source import ReadReport
    from core.pose.normalise import PROFILES

    profiles = {str(name): value for name, value in PROFILES.items()}
    if profile is not None and profile not in profiles:
        raise UserError(f"There is no profile {profile!r}; there are: {', '.join(profiles)}.")
    options = ReadOptions(profiles[profile or "wlasl"], image_size, profile_is_stated=profile is not None)
    with _unpacked(Path(path)) as (folder, display):
        report = ReadReport(display=display)
        source = open_source(folder, source_format, options, report)
        with closing(read_clips(source, processes=1)) as clips:
            yield PoseSource(Path(path), source.num_clips, clips, report)


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Path, Callable[[str], str]]]:
    """The source itself; an archive as a temporary folder, and how to call its files in messages."""
    from core.corpora.paths_as_sent import paths_as_sent
    from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack

    if not is_archive(path):
        yield path, str
        return
    with tempfile.TemporaryDirectory(prefix=".signforge-") as folder:  # hidden, so it names no benchmark
        unpack(path, Path(folder), limits=UnpackLimits())
        with paths_as_sent(path, Path(folder)) as display:
            yield Path(folder), display
