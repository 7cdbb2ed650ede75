"""Refuse sources of which too many clips have a finding that was not accepted."""

from collections.abc import Collection

from core.corpora.source import ReadReport
from core.errors import CorpusError


def refuse_unaccepted(report: ReadReport, accept: Collection[str], *, undone: str) -> None:
    """Check the findings of a source that has been read.

    `accept` holds codes of findings. `undone` says what was not done, as "nothing was imported".

    Raises:
        CorpusError: a finding that is not among those to accept is true of too many clips.
    """
    refused = [
        found
        for found in report.findings()
        if found.is_refused(report.clips_read) and found.kind.code not in accept
    ]
    if refused:
        most = max(refused, key=lambda found: found.count)
        codes = " ".join(f"--accept {found.kind.code}" for found in refused)
        raise CorpusError(
            f"{' '.join(found.message for found in refused)} That is {most.count} of "
            f"{most.num_clips(report.clips_read)}, so {undone}. If the clips are right "
            f"nevertheless, accept what was found: {codes}."
        )
