"""Conditional requests: entity tags and `If-None-Match` (RFC 9110, section 13)."""

import zlib

from core.jobs.tables.jobs import JobRow


def job_tag(job: JobRow, queue_position: int | None, waits_for: str | None = None) -> str:
    """The entity tag of a job: its version and, while queued, its queue position and what it waits for."""
    place = "" if queue_position is None else f"-{queue_position}"
    lack = "" if waits_for is None else f"-{zlib.crc32(waits_for.encode()):08x}"
    return f'"v{job.version}{place}{lack}"'


def names(if_none_match: str | None, tag: str) -> bool:
    """Whether an `If-None-Match` header names `tag`, by weak comparison."""
    if if_none_match is None:
        return False
    candidates = [candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")]
    return "*" in candidates or tag.removeprefix("W/") in candidates
