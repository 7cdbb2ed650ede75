"""What the columns of a table say of a clip in all of its rows: its gloss, signer, session and split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from core.corpora.readers.named_fields import CLIP_NAMES, FACT_NAMES, field_named
from core.corpora.readers.raw_clip import RawClip
from core.corpora.readers.untrusted.naming import shortened
from core.corpora.readers.untrusted.parquet_rows import ColumnKind, column_kinds
from core.errors import CorpusError

_CLIP = "name"


class FactsOfFile:
    """Facts in the columns of a Parquet file of one clip, gathered batch by batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        there = column_kinds(path)
        found = {fact: field_named(there, names) for fact, names in {_CLIP: CLIP_NAMES, **FACT_NAMES}.items()}
        self._columns = {fact: name for fact, name in found.items() if name is not None}
        self._texts: dict[str, tuple[str, ...]] = {}

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """The columns to read."""
        return dict.fromkeys(self._columns.values(), "names")

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Look at some rows."""
        for name in self._columns.values():
            self._texts[name] = different((*self._texts.get(name, ()), *batch[name].tolist()))

    def facts(self) -> dict[str, str]:
        """Return the facts without the clip's name, which is that of the file.

        Raises:
            CorpusError: one changes within the file.
        """
        advice = "Write a file per clip."
        found = {
            fact: only_text(self._texts.get(name, ()), name, self._path, advice=advice)
            for fact, name in self._columns.items()
        }
        return {fact: text for fact, text in found.items() if text and fact != _CLIP}


def with_facts(raw: RawClip, facts: Mapping[str, str]) -> RawClip:
    """Return a clip with these facts."""
    label, signer, session, split = map(facts.get, FACT_NAMES)
    return replace(raw, label=label, signer=signer, session=session, split=split)


def different(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the first two different texts that are not empty."""
    return tuple(islice(dict.fromkeys(filter(None, texts)), 2))


def only_text(texts: Sequence[str], column: str, path: Path, *, advice: str, what: str = "") -> str | None:
    """Return the one text that a column has within a clip; None if it is empty.

    Raises:
        CorpusError: there are two. `what` names the clip.
    """
    if len(texts) > 1:
        first, second = map(shortened, texts[:2])
        raise CorpusError(
            f"{path}: column {column!r} changes within the rows{what} from {first!r} to {second!r}. {advice}"
        )
    return next(iter(texts), None)
