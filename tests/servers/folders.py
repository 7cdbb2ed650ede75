"""Folders for services: their names are short, since a unix socket's path may not be long."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_folder() -> Iterator[Path]:
    """An empty folder with a short name, removed at the end."""
    short = Path(tempfile.mkdtemp(prefix="sf"))
    try:
        yield short
    finally:
        shutil.rmtree(short, ignore_errors=True)
