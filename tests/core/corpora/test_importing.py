"""The import program, from a source to a corpus."""

import json
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.readers.untrusted.unpack import UnpackLimits
from core.errors import CorpusError, SplitError, Stopped
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints


class Recorder(SilentObserver):
    """Remembers what it is told, and asks to stop at the n-th question."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.phases: list[tuple[str, int]] = []
        self.steps: list[int] = []
        self._questions_left = stop_at

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        self.phases.append((phase, total_steps))

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        self.steps.append(step)

    def should_stop(self) -> bool:
        if self._questions_left is None:
            return False
        self._questions_left -= 1
        return self._questions_left < 0


def spec(source: Path, **fields: Any) -> ImportSpec:
    return ImportSpec.model_validate({"name": "signs", "source": str(source), **fields})


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """Six clips of three signers."""
    path = tmp_path / "signs.npz"
    np.savez_compressed(
        path,
        keypoints=holistic_keypoints(6, 4).astype("f2"),
        labels=[0, 1] * 3,
        class_names=["coffee", "tea"],
        signer=[0, 0, 1, 1, 2, 2],
        signer_names=["ann", "ben", "eve"],
    )
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_real_signers_split_by_signer(shared_data: Path, out: Path) -> None:
    source = shared_data / "signs" / "signs_small.npz"
    asked = spec(source, image_width=640, image_height=480, split={"by": "signer", "test": ["s3"]})
    result = import_corpus(asked, out, SilentObserver())
    corpus = PackedCorpus.open(out / str(result["corpus"]))
    corpus.verify()
    assert result["num_clips"] == len(corpus) >= 260
    assert result["digest"] == corpus.digest
    assert result["label_names"] == list(np.load(source)["class_names"])
    assert corpus.header.provenance["options"]["image_width"] == 640
    in_test = corpus.signers[corpus.splits == 1]
    assert {corpus.signer_names[signer] for signer in in_test} == {"s3"}
    json.dumps(result)


def test_the_same_points_under_two_glosses_are_named(tmp_path: Path, out: Path) -> None:
    keypoints = holistic_keypoints(6, 4)
    keypoints[[2, 3, 4, 5]] = keypoints[[1, 1, 0, 0]]
    labels = ["tea", "tea", "tea", "milk", "tea", ""]  # 1, 2 and 3 are the same, as are 0, 4 and 5
    path = tmp_path / "signs.npz"
    np.savez_compressed(path, keypoints=keypoints, labels=labels, names=list("abcdef"))
    result = import_corpus(spec(path), out, SilentObserver())
    report = result["report"]
    assert isinstance(report, dict)
    (found,) = report["findings"]
    assert (found["code"], found["clips"], found["refused"]) == ("identical-clips", 3, False)
    assert found["examples"] == ["'b' of 'tea' and 'd' of 'milk'"]
    assert PackedCorpus.open(out / "corpus").header.provenance["report"] == report


def test_signers_that_differ_in_capitals_alone_are_named(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "signs.npz"
    signers = ["Ann", "ann ", "ben", "Ann "]
    np.savez_compressed(path, keypoints=holistic_keypoints(4, 4).astype("f2"), signer=signers)
    report = import_corpus(spec(path), out, SilentObserver())["report"]
    assert PackedCorpus.open(out / "corpus").signer_names == ("Ann", "ann", "ben")
    assert isinstance(report, dict)
    (found,) = report["findings"]
    assert (found["code"], found["clips"], found["examples"]) == (
        "similar-names",
        3,
        ["signer 'Ann' and 'ann'"],
    )


def test_test_clips_alone_are_a_corpus(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "signs.npz"
    np.savez_compressed(path, keypoints=holistic_keypoints(2, 4).astype("f2"), split=["Test", "test"])
    assert import_corpus(spec(path), out, SilentObserver())["split_counts"] == {"train": 0, "test": 2}


def test_progress_reaches_the_end(signs: Path, out: Path) -> None:
    observer = Recorder()
    import_corpus(spec(signs), out, observer)
    assert ("reading", 6) in observer.phases
    assert observer.steps[-1] == 6
    assert observer.steps == sorted(observer.steps)


def test_an_archive_is_unpacked_and_cleared_away(shared_data: Path, tmp_path: Path, out: Path) -> None:
    with tarfile.open(tmp_path / "upload", "w:gz") as archive:
        archive.add(shared_data / "formats" / "traduttore_258", "data")
    observer = Recorder()
    result = import_corpus(spec(tmp_path / "upload"), out, observer)
    assert result["label_names"] == ["coffee", "hello"]
    assert [phase for phase, _ in observer.phases if phase != "hashing"] == [
        "unpacking",
        "opening",
        "reading",
    ]
    assert [path.name for path in out.iterdir()] == ["corpus"]


@pytest.mark.parametrize(
    ("case", "labels"),
    [
        ("archive-encodings/gbk.zip", ("姓名", "谢谢")),
        ("archive-names/backslash.zip", ("book", "tree")),
    ],
)
def test_folders_of_an_archive_of_windows_are_glosses(
    shared_data: Path, out: Path, case: str, labels: tuple[str, ...]
) -> None:
    import_corpus(spec(shared_data / "cases" / case), out, SilentObserver())
    assert PackedCorpus.open(out / "corpus").label_names == labels


def test_a_guessed_encoding_is_noted_and_a_stated_one_is_used(shared_data: Path, tmp_path: Path) -> None:
    archive = shared_data / "cases" / "archive-encodings" / "gbk.zip"
    for encoding, label in ((None, "姓名"), ("cp1251", "姓名".encode("gbk").decode("cp1251"))):
        folder = tmp_path / str(encoding)
        folder.mkdir()
        result = import_corpus(spec(archive, archive_encoding=encoding), folder, SilentObserver())
        assert label in PackedCorpus.open(folder / "corpus").label_names
        assert isinstance(result["report"], dict)
        noted = [note for note in result["report"]["notes"] if "read as gbk, for example '姓名/" in note]
        assert len(noted) == (encoding is None)


def test_an_archive_above_the_limits_is_refused(signs: Path, tmp_path: Path, out: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "upload"), "zip", signs.parent, signs.name)
    with pytest.raises(CorpusError, match="has more than 100 bytes when unpacked"):
        import_corpus(spec(Path(archive)), out, SilentObserver(), limits=UnpackLimits(max_bytes=100))
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("question", [0, 3, 5])
def test_it_stops_when_asked_and_can_run_again(signs: Path, out: Path, question: int) -> None:
    with pytest.raises(Stopped):
        import_corpus(spec(signs), out, Recorder(stop_at=question))
    assert list(out.iterdir()) == []
    assert import_corpus(spec(signs), out, SilentObserver())["num_clips"] == 6


def test_a_complete_corpus_of_the_same_import_is_kept(signs: Path, out: Path) -> None:
    first = import_corpus(spec(signs), out, SilentObserver())
    changed = (out / "corpus" / "points.npy").stat().st_mtime_ns
    assert import_corpus(spec(signs), out, SilentObserver()) == first
    assert (out / "corpus" / "points.npy").stat().st_mtime_ns == changed
    with pytest.raises(CorpusError, match="holds another corpus"):
        import_corpus(spec(signs, profile="slr500"), out, SilentObserver())


def test_a_complete_corpus_of_an_earlier_version_is_kept(signs: Path, out: Path) -> None:
    first = import_corpus(spec(signs), out, SilentObserver())
    header = out / "corpus" / "corpus.json"
    document = json.loads(header.read_text())
    for option in ("drop_last_frame", "exclude_clips", "benchmark_classes"):
        del document["provenance"]["options"][option]
    header.write_text(json.dumps(document))
    assert import_corpus(spec(signs), out, SilentObserver()) == first


def test_what_a_killed_run_left_is_removed(signs: Path, out: Path) -> None:
    for name in (".corpus.0123.partial", ".unpacked-abc"):
        (out / name).mkdir()
        (out / name / "points.npy").write_bytes(b"half")
    import_corpus(spec(signs), out, SilentObserver())
    assert [path.name for path in out.iterdir()] == ["corpus"]


def test_a_source_without_hands_says_how_many_and_why(tmp_path: Path, out: Path) -> None:
    np.savez(
        tmp_path / "idle.npz",
        keypoints=coco_keypoints(5) * [1, 1, 0],
        offsets=[0, 3, 3, 5],
        width=640,
        height=480,
    )
    with pytest.raises(CorpusError, match=r"2 no hands, 1 no frames\. Example: 000000: The clip"):
        import_corpus(spec(tmp_path / "idle.npz"), out, SilentObserver())
    assert list(out.iterdir()) == []


def test_a_reason_is_given_once(tmp_path: Path, out: Path) -> None:
    for name in ("tea/a", "tea/b", "tea/c", "milk/d"):
        (path := tmp_path / "in" / f"{name}.npz").parent.mkdir(parents=True, exist_ok=True)
        keypoints = np.zeros((5, 100, 3)) if "tea" in name else coco_keypoints(5) / 1000
        np.savez(path, keypoints=keypoints, width=640, height=480)
    with pytest.raises(CorpusError) as refused:
        import_corpus(spec(tmp_path / "in"), out, SilentObserver())
    message = str(refused.value)
    assert message.count("must be numbers of shape") == message.count("not in pixels") == 1
    assert (
        "tea/a and 2 more: in/tea/a.npz: 'keypoints' must be numbers of shape (frames, 133, 3); got"
        in message
    )
    assert "(5, 100, 3)" in message
    assert ".." not in message


def test_an_archive_in_an_archive_is_named(tmp_path: Path, out: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
    with pytest.raises(CorpusError, match=r"has no pose files, but the archive inner\.zip\. Unpack it"):
        import_corpus(spec(tmp_path / "outer.zip"), out, SilentObserver())


def test_an_empty_folder_is_refused(tmp_path: Path, out: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="no pose files"):
        import_corpus(spec(tmp_path / "empty"), out, SilentObserver())


def test_a_missing_source_is_named(tmp_path: Path, out: Path) -> None:
    with pytest.raises(CorpusError, match="no file or folder"):
        import_corpus(spec(tmp_path / "nowhere"), out, SilentObserver())


def test_a_random_split_of_named_signers_is_refused(signs: Path, out: Path) -> None:
    split = {"by": "random", "test_fraction": 0.4, "seed": 5}
    with pytest.raises(SplitError, match="is in both"):
        import_corpus(spec(signs, split=split), out, SilentObserver())
    assert list(out.iterdir()) == []


def test_signers_on_both_sides_are_counted(signs: Path, out: Path) -> None:
    split = {"by": "random", "test_fraction": 0.4, "seed": 5, "allow_overlap": True}
    summary = import_corpus(spec(signs, split=split), out, SilentObserver())
    corpus = PackedCorpus.open(out / "corpus")
    sides = [{corpus.signers[i] for i in np.flatnonzero(corpus.splits == side)} for side in (0, 1)]
    assert summary["num_signers_in_train_and_test"] == len(sides[0] & sides[1]) > 0


@pytest.mark.system
def test_the_program(signs: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(spec(signs).model_dump_json())
    command = [sys.executable, "-m", "core.corpora.importing", "--events"]
    command += ["--spec", str(tmp_path / "spec.json"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "result"
    assert events[-1]["num_clips"] == 6
    assert json.loads((out / "result.json").read_text())["digest"] == events[-1]["digest"]


@pytest.mark.system
def test_reading_poses_needs_no_torch() -> None:
    program = "import sys, core.corpora.importing; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


def test_a_stop_request_does_not_wait_for_a_large_file(tmp_path: Path) -> None:
    """A pickle of a million operations takes seconds to read, in one piece."""
    (tmp_path / "clip.pkl").write_bytes(b"\x80\x04](" + b"N" * 1_000_000 + b"e.")
    with pytest.raises(Stopped):
        import_corpus(spec(tmp_path / "clip.pkl"), tmp_path, Recorder(stop_at=0))
    assert any(thread.name == "background" for thread in threading.enumerate()), "it is still being read"
