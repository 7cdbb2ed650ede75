"""Files of clips are read from disk once, and their digests are those of the files."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core import source_files
from core.corpora import read_once as module
from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.read_once import read_once
from core.corpora.source_digest import SourceDigest
from core.program.observer import SilentObserver
from core.source_files import open_source
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.conftest import coco_keypoints


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


def test_the_digest_is_that_of_what_was_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    with SourceDigest(tmp_path) as digest:
        before = digest.wait(lambda: None)
    known = {tmp_path / "a": hashlib.sha256(b"a").digest()}
    (tmp_path / "a").write_text("changed after it was read")

    with SourceDigest(tmp_path) as digest:
        digest.start(known)
        assert digest.wait(lambda: None) == before


def test_an_import_reads_each_clip_from_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tmp_path / "clips", tmp_path / "out"
    for folder in (source, out):
        folder.mkdir()
    for clip in range(3):
        np.savez(source / f"{clip}.npz", keypoints=coco_keypoints(4, clip), width=640, height=480)
    opened = _Opened()
    monkeypatch.setattr(source_files, "_descriptor", opened.descriptor)

    import_corpus(ImportSpec(name="clips", source=str(source)), out, opened)

    assert opened.names == Counter(["0.npz", "1.npz", "2.npz"])
    with SourceDigest(source) as digest:
        sha256 = digest.wait(lambda: None)
    assert PackedCorpus.open(out / "corpus").header.provenance["sha256"] == sha256


class _Opened(SilentObserver):
    """Counts the files that are opened after those that show the format."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self._open = source_files._descriptor

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        if phase == "reading":
            self.names.clear()

    def descriptor(self, path: Path) -> int:
        self.names[path.name] += 1
        return self._open(path)


def _content(path: Path) -> bytes:
    with open_source(path) as stream:
        return stream.read()
