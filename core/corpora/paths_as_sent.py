"""Replace temporary server paths in messages by the paths that the user sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import UserError


@contextmanager
def paths_as_sent(source: Path, unpacked: Path | None = None) -> Iterator[Callable[[str], str]]:
    """Replace paths in the messages of a `UserError`, and yield the function that replaces them in any text.

    For an archive, `unpacked` is the folder with its content, and files get their path inside the archive.
    Otherwise paths start with the name of `source`.
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
