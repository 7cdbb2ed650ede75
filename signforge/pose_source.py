"""Reading of pose files as a stream of normalised clips, as an import does, without the service."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args

from core.errors import CorpusError, UserError
from core.specs.archive_encodings import ArchiveEncoding
from core.specs.near_names import hint
from core.specs.preprocessing import Preprocessing
from core.specs.source_formats import Sides, VectorPart, WantedFormat

if TYPE_CHECKING:
    from core.corpora.readers.raw_clip import ReadOptions
    from core.corpora.source import ReadReport, SourceClip


class FindingWarning(UserWarning):
    """Clips that were read probably do not mean what they were read as (docs/reference/findings.md)."""


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
        return CorpusError(f"{self.path} has no usable clip: {self._reasons() or 'it is empty'}.")

    def warn_of_findings(self, *, stacklevel: int) -> None:
        """Warn of clips that probably do not mean what they were read as, after all clips have been read.

        `stacklevel` is that of `warnings.warn`, counted from the caller.
        """
        for found in self.report.findings():
            warnings.warn(
                f"{self.path}: {found.message} [{found.kind.code}]", FindingWarning, stacklevel=stacklevel + 1
            )

    def warn_of_skipped(self) -> None:
        """Log a warning about skipped clips, after all clips have been read."""
        if self.report.num_skipped:
            _log.warning(
                "%d clips of %s were skipped: %s", self.report.num_skipped, self.path, self._reasons()
            )

    def _reasons(self) -> str:
        """Why clips were skipped, each reason once, without a stop at the end."""
        from core.corpora.source import grouped

        return "; ".join(reason.rstrip(".") for reason in grouped(self.report.examples))


_OTHER_NAMES = {
    "format": "source_format",
    **dict.fromkeys(("width", "height", "image_width", "image_height"), "image_size"),
}
"""Names that options have elsewhere: on the command line, in specifications, in files."""


class HowToRead(TypedDict, total=False):
    """How pose files are read, as at import. What is not stated is read by the record, else as usual."""

    record: Preprocessing | None
    """How the clips of the encoder's corpus were read: `encoder.card.corpus.preprocessing`."""
    source_format: WantedFormat
    """Name of the format; `auto` detects it."""
    profile: str | None
    """Benchmark of the confidence thresholds. Without it and a record: the benchmark's own, else wlasl's."""
    image_size: tuple[int, int] | None
    """(width, height) in pixels, whatever files state. That of the record is for files that state none."""
    sides: Sides | None
    """Whether left and right are exchanged."""
    unmirror_frames: bool | None
    """Whether mirroring of the frames is undone."""
    part_order: tuple[VectorPart, ...] | None
    """Order of the parts in vectors of `mp_data`."""
    archive_encoding: ArchiveEncoding | None
    """Encoding of file names in an archive that does not state it. Default: guessed."""


def check_options(how: Mapping[str, Any]) -> None:
    """Refuse options that do not exist, and choices that an option does not have.

    Raises:
        UserError: there is such an option; the message names the near ones.
    """
    known = HowToRead.__annotations__
    for name in how:
        if other := _OTHER_NAMES.get(name):
            pair = ", a pair (width, height)" if other == "image_size" else ""
            raise UserError(f"There is no option {name!r}. Did you mean {other!r}{pair}?")
        if name not in known:
            raise UserError(f"There is no option {name!r}.{hint(name, known)}")
    choices = {"source_format": WantedFormat, "sides": Sides, "archive_encoding": ArchiveEncoding}
    for name, kind in choices.items():
        value = how.get(name)
        if value is not None and value not in get_args(kind):
            raise UserError(f"{name} cannot be {value!r}.{hint(str(value), get_args(kind))}")


@contextmanager
def open_poses(path: str | Path, **how: Unpack[HowToRead]) -> Iterator[PoseSource]:
    """Open a pose file, archive or folder. Its clips are read and normalised lazily.

    If they are read otherwise than the record says, the report has a finding.

    Raises:
        CorpusError: the source is damaged or its format is unknown. Also raised while its clips are read.
        UserError: an option or a profile does not exist.
    """
    check_options(how)
    from core.corpora.readers.detect import open_source
    from core.corpora.reading import read_clips
    from core.corpora.source import ReadReport
    from core.corpora.unlike_record import note_unlike

    options, record = _options(how), how.get("record")
    with _unpacked(Path(path), how.get("archive_encoding")) as (folder, display, notes):
        report = ReadReport(display=display, notes=notes)
        source = open_source(folder, how.get("source_format", "auto"), options, report)
        if record is not None:
            note_unlike(record, source, options, report)
            _note_size(record, how, report)
        with closing(read_clips(source, processes=1)) as clips:
            yield PoseSource(Path(path), source.num_clips, clips, report)


def _note_size(record: Preprocessing, how: HowToRead, report: "ReadReport") -> None:
    """Say which frame size is taken from the record: a wrong one stretches all points."""
    if how.get("image_size") is None and (size := record.image_size):
        report.note(
            f"Where the files state no frame size, it is {size[0]} x {size[1]}, as in the encoder's corpus. "
            "If it is another one, give it (--image-width, --image-height; in Python image_size)."
        )


def _options(how: HowToRead) -> "ReadOptions":
    """Return what is stated, else what the record says, else the usual options."""
    from core.corpora.readers.raw_clip import ReadOptions
    from core.pose.normalise import PROFILES

    profiles = {str(name): value for name, value in PROFILES.items()}
    profile, record = how.get("profile"), how.get("record")
    if profile is not None and profile not in profiles:
        raise UserError(f"There is no profile {profile!r}.{hint(profile, profiles, list_all=True)}")
    size, sides, unmirror = how.get("image_size"), how.get("sides"), how.get("unmirror_frames")
    order = how.get("part_order")
    options = ReadOptions(
        profiles[profile or (record.profile if record else "wlasl")],
        size or (record.image_size if record else None),
        profile_is_stated=(profile or record) is not None,
        size_wins=size is not None,
    )
    return replace(
        options,
        sides=sides or (record.sides if record else "as_stored"),
        unmirror_frames=(record.unmirror_frames if record else False) if unmirror is None else unmirror,
        part_order=(record.part_order if record else ()) if order is None else order,
    )


@contextmanager
def _unpacked(
    path: Path, encoding: ArchiveEncoding | None
) -> Iterator[tuple[Path, Callable[[str], str], list[str]]]:
    """The source itself, or an archive unpacked to a temporary folder; display names of files, and notes."""
    from core.corpora.paths_as_sent import paths_as_sent
    from core.corpora.readers.shards import must_be_unpacked, unpack_source
    from core.corpora.readers.untrusted.unpack import UnpackLimits

    if not must_be_unpacked(path):
        yield path, str, []
        return
    with tempfile.TemporaryDirectory(prefix=".signforge-") as folder:  # hidden, so it names no benchmark
        notes = unpack_source(path, Path(folder), limits=UnpackLimits(), encoding=encoding)
        with paths_as_sent(path, Path(folder)) as display:
            yield Path(folder), display, notes
