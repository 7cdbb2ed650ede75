"""Find a field or column by its usual names, without regard to case, spaces, dashes and underscores."""

import re
from collections.abc import Iterable, Sequence

CLIP_NAMES = (
    "sequence_id",
    "sequence",
    "seq_id",
    "seq",
    "clip_id",
    "clip",
    "clip_name",
    "video_id",
    "video",
    "video_name",
    "sample_id",
    "sample",
    "recording",
    "file_name",
    "file",
    "path",
    "name",
)
"""Columns that tell a row's clip, in the order in which they are looked for."""
FACT_NAMES = {
    "label": ("label", "sign", "gloss", "phrase"),
    "signer": ("signer", "signer_id", "participant_id"),
    "session": ("session",),
    "split": ("split",),
}
"""Columns that say what is known of a clip."""

_IGNORED = re.compile(r"[\s_-]+")


def field_named(there: Iterable[str], wanted: Sequence[str]) -> str | None:
    """Return the first of the `wanted` names among those that are there, as it is written there."""
    written = {_plain(name): name for name in reversed(list(there))}
    return next((written[plain] for name in wanted if (plain := _plain(name)) in written), None)


def _plain(name: str) -> str:
    return _IGNORED.sub("", name).casefold()
