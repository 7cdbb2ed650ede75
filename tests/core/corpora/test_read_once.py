"""Files of clips are read from disk once, and their digests are those of the files."""

import hashlib
from pathlib import Path

import pytest

from core.corpora import read_once as module
from core.corpora.read_once import read_once
from core.corpora.source_digest import SourceDigest
from core.source_files import open_source


def test_a_file_that_is_opened_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "clip"
    path.write_bytes(b"first")
    digests: dict[Path, bytes] = {}

    with read_once(digests):
        first = _content(path)
        path.write_bytes(b"other")
        second = _content(path)

    assert first == second == b"first"
    assert digests == {path: hashlib.sha256(b"first").digest()}
    assert path.read_bytes() == b"other"


def test_a_large_file_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_BYTES", 4)
    path = tmp_path / "clip"
    path.write_bytes(b"first")
    digests: dict[Path, bytes] = {}

    with read_once(digests), open_source(path) as stream:
        assert stream.read() == b"first"

    assert digests == {}


def test_known_digests_change_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    known = {tmp_path / "a": hashlib.sha256(b"a").digest()}

    with SourceDigest(tmp_path) as alone, SourceDigest(tmp_path) as helped:
        assert alone.wait(lambda: None) == helped.wait(lambda: None, known)


def _content(path: Path) -> bytes:
    with open_source(path) as stream:
        return stream.read()
