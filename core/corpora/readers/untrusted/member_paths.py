"""Check the names of archive members, of an archive that is unpacked and of one that is packed."""

import re
from pathlib import Path, PurePosixPath

from core.corpora.readers.untrusted.naming import shortened
from core.errors import CorpusError

MAX_DEPTH = 100
"""Maximum parts of a member's path."""
_ROOT = re.compile(r"[/\\]|[A-Za-z]:([/\\]|$)")
"""How an absolute path begins, on any system."""


def member_path(archive: Path, name: str) -> PurePosixPath:
    """Return a member's path below the folder into which its archive is unpacked.

    A backslash is a letter here (see `with_slashes`), but a path that would lead out by it is refused too.

    Raises:
        CorpusError: the path is absolute, may lead out of the folder, or has too many parts.
    """
    parts = PurePosixPath(name).parts
    if not parts or _ROOT.match(name) or ".." in re.split(r"[/\\]", name) or "\0" in name:
        raise CorpusError(
            f"{archive} has the member {shortened(name)!r}, whose path may lead outside of the folder. Use "
            "plain relative paths."
        )
    if len(parts) > MAX_DEPTH:
        raise CorpusError(
            f"{archive} has a member in {len(parts) - 1} folders, one in the other ({shortened(name)!r}); "
            f"the limit is {MAX_DEPTH - 1}. Use fewer folders."
        )
    return PurePosixPath(*parts)


def with_slashes(name: str) -> str:
    """Replace backslashes, which Windows programs write between the folders of a zip file."""
    return name.replace("\\", "/")
