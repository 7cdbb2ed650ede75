"""Reading of pose files as a stream of normalised clips, as an import does, without the service."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CorpusError, UserError
from core.specs.archive_encodings import ArchiveEncoding
from core.specs.near_names import hint
from core.specs.source_formats import WantedFormat

if TYPE_CHECKING:
    from core.corpora.source import ReadReport, SourceClip

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoseSource:
    """An open source: its clips (to be read once), their announced number, and a report of skipped clips."""

    path: Path
    num_clips: int
    clips: Iterator["SourceClip"]
    report: "ReadReport"

    def nothing_usable(self) -> CorpusError:
        """The exception for a source without usable clips."""
        reasons = "; ".join(self.report.examples)
        return CorpusError(f"{self.path} has no usable clip: {reasons or 'it is empty'}.")

    def warn_of_skipped(self) -> None:
        """Log a warning about skipped clips, after all clips have been read."""
        if self.report.num_skipped:
            reasons = "; ".join(self.report.examples)
            _log.warning("%d clips of %s were skipped: %s", self.report.num_skipped, self.path, reasons)


@contextmanager
def open_poses(
    path: str | Path,
    *,
    source_format: WantedFormat = "auto",
    profile: str | None = None,
    image_size: tuple[int, int] | None = None,
    archive_encoding: ArchiveEncoding | None = None,
) -> Iterator[PoseSource]:
    """Open a pose file, archive or folder. Its clips are read and normalised lazily.

    `archive_encoding` is that of file names whose encoding an archive does not state, as at import.
    Without `profile` the thresholds are the benchmark's own, else wlasl's, as at import.

    Raises:
        CorpusError: the source is damaged or its format is unknown. Also raised while its clips are read.
        UserError: the profile does not exist.
    """
    from core.corpora.readers.detect import open_source
    from core.corpora.readers.raw_clip import ReadOptions
    from core.corpora.reading import read_clips
    from core.corpora.source import ReadReport
    from core.pose.normalise import PROFILES

    profiles = {str(name): value for name, value in PROFILES.items()}
    if profile is not None and profile not in profiles:
        raise UserError(f"There is no profile {profile!r}.{hint(profile, profiles, list_all=True)}")
    options = ReadOptions(profiles[profile or "wlasl"], image_size, profile_is_stated=profile is not None)
    with _unpacked(Path(path), archive_encoding) as (folder, display, notes):
        report = ReadReport(display=display, notes=notes)
        source = open_source(folder, source_format, options, report)
        with closing(read_clips(source, processes=1)) as clips:
            yield PoseSource(Path(path), source.num_clips, clips, report)


@contextmanager
def _unpacked(
    path: Path, encoding: ArchiveEncoding | None
) -> Iterator[tuple[Path, Callable[[str], str], list[str]]]:
    """The source itself, or an archive unpacked to a temporary folder; display names of files, and notes."""
    from core.corpora.paths_as_sent import paths_as_sent
    from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack

    if not is_archive(path):
        yield path, str, []
        return
    with tempfile.TemporaryDirectory(prefix=".signforge-") as folder:  # hidden, so it names no benchmark
        notes = unpack(path, Path(folder), limits=UnpackLimits(), encoding=encoding)
        with paths_as_sent(path, Path(folder)) as display:
            yield Path(folder), display, notes
