"""Files that are called `.npz` and hold no keypoints are refused in plain words."""

import re
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from core.corpora.readers.untrusted.npz import UntrustedNpz
from core.errors import CorpusError
from tests.core.corpora.readers.conftest import coco_keypoints, read


def of_arrays(*names: str) -> bytes:
    """A zip of small arrays."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            array = BytesIO()
            np.save(array, np.zeros(3))
            archive.writestr(f"{name}.npy", array.getvalue())
    return content.getvalue()


WRONG = {
    "no zip": (b"hello " * 99, "x.npz is not an .npz file: it seems to be text. Write it again"),
    "cut off": (of_arrays("keypoints")[:200], "x.npz is damaged: its end is missing."),
    "other arrays": (of_arrays("points"), "x.npz has no array 'keypoints'; it has 'points'."),
    "arrays in folders": (
        of_arrays("graph/hand", "hand"),
        "no array 'keypoints'; it has 'graph/hand', 'hand'.",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("form", ["file", "folder", "beside a right one"])
def test_the_message_says_what_the_file_is(tmp_path: Path, kind: str, form: str) -> None:
    content, message = WRONG[kind]
    (tmp_path / "x.npz").write_bytes(content)
    if form == "beside a right one":
        np.savez(tmp_path / "right.npz", keypoints=coco_keypoints(2), width=640, height=480)
        (example,) = read(tmp_path).report.examples
        assert message in example
        return
    with pytest.raises(CorpusError, match=re.escape(message)):
        read(tmp_path / "x.npz" if form == "file" else tmp_path)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "x.npz").touch()
    with pytest.raises(CorpusError, match="it seems to be empty"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="it seems to be empty"):
        UntrustedNpz(tmp_path / "x.npz")


def test_an_archive_of_takes_is_not_an_npz(tmp_path: Path) -> None:
    (tmp_path / "takes.zip").write_bytes(of_arrays("tea/1/0"))
    with pytest.raises(CorpusError, match="no supported format"):
        read(tmp_path / "takes.zip")
