"""Reading with several processes: nothing but the time differs from reading with one."""

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.corpora import importing
from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.readers import clip_files
from core.corpora.readers.formats import coco_wholebody, mediapipe_holistic
from core.corpora.readers.raw_clip import RawClip, Unreadable
from core.corpora.reading import read_clips
from core.corpora.source import ReadReport
from core.errors import CorpusError, Stopped
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.endless_reading import endless
from tests.core.corpora.readers.conftest import coco_keypoints
from tests.core.corpora.test_importing import Recorder


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every source were large."""
    monkeypatch.setattr(importing, "CLIPS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(clip_files, "_CLIPS_AT_ONCE", 2)
    monkeypatch.setattr(coco_wholebody, "_CLIPS_AT_ONCE", 2)
    monkeypatch.setattr(mediapipe_holistic, "_CLIPS_AT_ONCE", 7)


def imported(source: Path, out: Path, *, processes: int) -> tuple[dict[str, object], dict[str, bytes]]:
    """An import's result, and every byte of its corpus."""
    out.mkdir()
    spec = ImportSpec(name="signs", source=str(source))
    result = import_corpus(spec, out, SilentObserver(), processes=processes)
    return result, {path.name: path.read_bytes() for path in (out / "corpus").iterdir()}


@pytest.fixture
def folder_of_clips(tmp_path: Path) -> Path:
    """Nine files: seven clips, one without hands, one damaged."""
    folder = tmp_path / "clips" / "tea"
    folder.mkdir(parents=True)
    for number in range(8):
        keypoints = coco_keypoints(3 + number, seed=number) * [1, 1, number != 5]
        np.savez(folder / f"{number}.npz", keypoints=keypoints, width=640, height=480)
    (folder / "3a.npz").write_bytes((folder / "3.npz").read_bytes()[:-30])
    return folder.parent


@pytest.mark.usefixtures("small_pieces")
def test_a_folder_gives_the_same_bytes_and_report(folder_of_clips: Path, tmp_path: Path) -> None:
    alone, alone_bytes = imported(folder_of_clips, tmp_path / "alone", processes=1)
    result, result_bytes = imported(folder_of_clips, tmp_path / "three", processes=3)
    assert result == alone
    assert result_bytes == alone_bytes
    report = PackedCorpus.open(tmp_path / "three" / "corpus").header.provenance["report"]
    assert isinstance(report, dict)
    assert report["skipped"] == {"unreadable": 1, "no hands": 1}
    assert [example[:6] for example in report["examples"]] == ["tea/3a", "tea/5:"]


@pytest.mark.system
@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    "source",
    [
        "signs/signs_small.npz",
        "formats/traduttore_258",
        "formats/signwish_258",
        "formats/traduttore_126",
        "formats/pose_format",
    ],
)
def test_real_sources_give_the_same_bytes(shared_data: Path, tmp_path: Path, source: str) -> None:
    alone = imported(shared_data / source, tmp_path / "alone", processes=1)
    assert imported(shared_data / source, tmp_path / "three", processes=3) == alone


@pytest.mark.usefixtures("small_pieces")
def test_it_stops_when_asked_and_leaves_no_process(folder_of_clips: Path, tmp_path: Path) -> None:
    spec = ImportSpec(name="signs", source=str(folder_of_clips))
    (tmp_path / "out").mkdir()
    with pytest.raises(Stopped):
        import_corpus(spec, tmp_path / "out", Recorder(stop_at=2), processes=2)
    assert multiprocessing.active_children() == []
    assert list((tmp_path / "out").iterdir()) == []


@dataclass(frozen=True)
class Broken:
    """A piece that turns out to be damaged."""

    def read(self, report: ReadReport) -> Iterator[RawClip | Unreadable]:
        raise CorpusError("clips.npz is damaged: it ends early.")


def test_damage_found_by_a_process_is_raised_here() -> None:
    with pytest.raises(CorpusError, match="it ends early"):
        list(read_clips(replace(endless(), pieces=[Broken()]), processes=2))
    assert multiprocessing.active_children() == []


@pytest.mark.system
def test_a_killed_process_is_a_memory_error_not_damage() -> None:
    clips = read_clips(endless(), processes=2)
    next(clips)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(MemoryError, match="was killed"):
        for _ in clips:
            pass
    assert multiprocessing.active_children() == []


@pytest.mark.system
def test_no_process_outlives_a_killed_reader() -> None:
    command = [sys.executable, "-m", "tests.core.corpora.endless_reading"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        children = [psutil.Process(int(word)) for word in reader.stdout.readline().split()]
        assert len(children) == 2
        reader.kill()
    deadline = time.monotonic() + 30
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline, "a process that reads is still there"


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
