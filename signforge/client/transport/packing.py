"""Make one file of a folder, to be uploaded."""

import logging
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.corpora.folder_files import describe_left_out, files_below
from core.corpora.readers.untrusted.member_paths import member_path
from core.errors import CorpusError, StorageError

_log = logging.getLogger(__name__)

_GZIP_LEVEL = 3
"""Pose text shrinks about as well as at 9, several times faster."""


@contextmanager
def as_one_file(path: Path) -> Iterator[Path]:
    """Yield `path` itself if it is a file; for a folder, a temporary .tar.gz of what is below it.

    Hidden files are left out; so is what an import would not read there, which the log names. Names are
    checked as the service checks them.

    Raises:
        CorpusError: there is nothing at `path`, or nothing in it, or the service would refuse a file's name.
        StorageError: the temporary file cannot be written.
    """
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise CorpusError(f"There is no file or folder {path}.")
    found = files_below(path)
    left_out = describe_left_out(found.left_out, path) if found.left_out else ""
    if not found.files:
        raise CorpusError(f"The folder {path} has no files in it. {left_out}".rstrip())
    if left_out:
        _log.warning("%s: %s", path, left_out)
    with tempfile.TemporaryDirectory(prefix="signforge-") as folder:
        # resolve() gives `.` a name; the importer reads labels out of folder names.
        packed = Path(folder) / f"{path.resolve().name or 'corpus'}.tar.gz"
        _pack(found.files, path, packed)
        yield packed


def _pack(files: list[Path], root: Path, packed: Path) -> None:
    """Links, symbolic or hard, become what they lead to: the service reads no links."""
    try:
        with tarfile.open(packed, "w:gz", compresslevel=_GZIP_LEVEL, dereference=True) as archive:
            for file in files:
                name = str(file.relative_to(root))
                member_path(root, name)
                archive.add(file, arcname=name, recursive=False)
    except OSError as error:
        raise StorageError(f"Cannot pack {root} into {packed}: {error.strerror}.") from None
