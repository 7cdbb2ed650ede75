"""Replace temporary server paths in messages by the paths that the user sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import UserError


@contextmanager
def paths_as_sent(
    source: Path, unpacked: Path | None = None, *, name: str | None = None
) -> Iterator[Callable[[str], str]]:
    """Replace paths in the messages of a `UserError`, and yield the function that replaces them in any text.

    For an archive, `unpacked` is the folder with its content, and files get their path inside the archive.
    Otherwise paths start with `name`, by default that of `source`.
    """
    sent = name or source.name or str(source)

    def shown(text: str) -> str:
        if unpacked is not None:
            text = text.replace(f"{unpacked}/", "").replace(str(unpacked), sent)
        return text.replace(str(source), sent)

    try:
        yield shown
    except UserError as error:
        error.args = (shown(str(error)),)
        raise
