"""Paths in messages as whoever sent a source knows them, not where it lies here for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import UserError


@contextmanager
def paths_as_sent(source: Path, unpacked: Path | None = None) -> Iterator[Callable[[str], str]]:
    """Have errors name files as they are called in `source`, whose content lies in `unpacked` if it is an
    archive: from inside the archive, else from the source's own name on. Yields what does so to any text.
    """

    def shown(text: str) -> str:
        name = source.name or str(source)
        if unpacked is not None:
            text = text.replace(f"{unpacked}/", "").replace(str(unpacked), name)
        return text.replace(str(source), name)

    try:
        yield shown
    except UserError as error:
        error.args = (shown(str(error)),)
        raise
