"""Opening, reading, selecting, and what happens to a damaged corpus."""

import json
import multiprocessing
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.errors import CorpusError, SpecError
from core.pose.clip import Clip
from core.pose.skeleton import TRUNK
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import ClipSelection
from tests.core.corpora.conftest import CorpusMaker, three_signers

ARRAYS = ["points", "visible", "offsets", "labels", "signers", "sessions", "splits", "names"]


def test_holds_what_was_written(corpus: PackedCorpus) -> None:
    sources = three_signers()
    assert len(corpus) == 12
    assert corpus.label_names == ("coffee", "tea")
    assert corpus.split_names == ("train", "test")
    assert corpus.lengths.tolist() == [len(source.clip) for source in sources]
    for index, source in enumerate(sources):
        clip = corpus.clip(index)
        np.testing.assert_array_equal(clip.points, source.clip.points)
        np.testing.assert_array_equal(clip.visible, source.clip.visible)
        assert corpus.clip_name(index) == source.name
        assert corpus.signer_names[corpus.signers[index]] == source.signer
        assert corpus.session_names[corpus.sessions[index]] == source.session


@settings(deadline=None, max_examples=40)
@given(indices=st.lists(st.integers(0, 11), max_size=8), max_frames=st.none() | st.integers(1, 15))
def test_gather_is_the_clips_one_after_the_other(
    twelve: PackedCorpus, indices: list[int], max_frames: int | None
) -> None:
    batch = twelve.gather(indices, max_frames=max_frames)
    clips = [twelve.clip(index) for index in indices]
    lengths = [min(len(clip), max_frames or len(clip)) for clip in clips]
    assert batch.lengths.tolist() == lengths
    expected = [clip.points[:length] for clip, length in zip(clips, lengths, strict=True)]
    np.testing.assert_array_equal(batch.points, np.concatenate([np.zeros((0, 49, 2)), *expected]))
    expected = [clip.visible[:length] for clip, length in zip(clips, lengths, strict=True)]
    np.testing.assert_array_equal(batch.visible, np.concatenate([np.zeros((0, 49), bool), *expected]))


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    path = tmp_path_factory.mktemp("packed") / "corpus"
    return write_corpus(path, three_signers(), name="twelve", split=SplitConfig(), provenance={})


def test_gathered_arrays_are_the_callers_own(corpus: PackedCorpus) -> None:
    batch = corpus.gather([0, 1])
    batch.points[:] = -1
    corpus.clip(0).points[:] = -1
    corpus.verify()
    with pytest.raises(ValueError, match="read-only"):
        corpus.points[0] = 0


@pytest.mark.parametrize("index", [12, -13])
def test_there_is_no_clip_beyond_the_last(corpus: PackedCorpus, index: int) -> None:
    with pytest.raises(IndexError):
        corpus.clip(index)
    with pytest.raises(IndexError):
        corpus.gather([index])


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, list(range(12))),
        ({"splits": ["test"]}, [8, 9, 10, 11]),
        ({"signers": ["signer 0", "signer 2"], "splits": ["train"]}, [0, 1, 2, 3]),
        ({"exclude_signers": ["signer 1"], "exclude_labels": ["tea"]}, [0, 2, 8, 10]),
    ],
)
def test_select(corpus: PackedCorpus, selection: dict[str, list[str]], expected: list[int]) -> None:
    assert corpus.select(ClipSelection.model_validate(selection)).tolist() == expected


@pytest.mark.parametrize("field", ["splits", "signers", "exclude_signers", "exclude_labels"])
def test_select_lists_the_names_there_are(corpus: PackedCorpus, field: str) -> None:
    with pytest.raises(SpecError, match=r"has no 'nobody'\. It has '") as caught:
        corpus.select(ClipSelection.model_validate({field: ["nobody"]}))
    assert caught.value.pointer == f"/clips/{field}"


@pytest.mark.parametrize("array", ARRAYS)
def test_a_file_cut_short_is_named(corpus: PackedCorpus, array: str) -> None:
    path = corpus.path / f"{array}.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorpusError, match=rf"{array}\.npy is damaged"):
        PackedCorpus.open(corpus.path)


@pytest.mark.parametrize("array", ARRAYS)
def test_a_file_with_another_header_is_named(corpus: PackedCorpus, array: str) -> None:
    path = corpus.path / f"{array}.npy"
    content = bytearray(path.read_bytes())
    content[:16] = b"PK\x03\x04" * 4
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"{array}\.npy is damaged"):
        PackedCorpus.open(corpus.path)


@pytest.mark.parametrize("array", ARRAYS)
def test_one_changed_bit_is_found_by_verify(corpus: PackedCorpus, array: str) -> None:
    path = corpus.path / f"{array}.npy"
    content = bytearray(path.read_bytes())
    content[130] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"{array}\.npy is damaged"):
        PackedCorpus.open(corpus.path).verify()


def test_renamed_labels_are_found_by_verify(corpus: PackedCorpus) -> None:
    header = corpus.path / "corpus.json"
    header.write_text(header.read_text().replace('"tea"', '"sea"'))
    with pytest.raises(CorpusError, match="digest"):
        PackedCorpus.open(corpus.path).verify()


@pytest.mark.parametrize("array", ARRAYS)
def test_a_missing_file_is_named(corpus: PackedCorpus, array: str) -> None:
    (corpus.path / f"{array}.npy").unlink()
    with pytest.raises(CorpusError, match=rf"Cannot read .*{array}\.npy"):
        PackedCorpus.open(corpus.path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2}', b"\xff\xfe"])
def test_a_damaged_header_is_named(corpus: PackedCorpus, content: bytes) -> None:
    (corpus.path / "corpus.json").write_bytes(content)
    with pytest.raises(CorpusError, match=r"corpus\.json is damaged or not of version 1"):
        PackedCorpus.open(corpus.path)


def test_a_header_without_an_array_is_refused(corpus: PackedCorpus) -> None:
    header = json.loads((corpus.path / "corpus.json").read_text())
    del header["arrays"]["labels"]
    (corpus.path / "corpus.json").write_text(json.dumps(header))
    with pytest.raises(CorpusError, match="does not list the arrays labels"):
        PackedCorpus.open(corpus.path)


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"has no corpus\.json"):
        PackedCorpus.open(tmp_path)


def test_pickling_hands_over_the_path_not_the_data(corpus: PackedCorpus) -> None:
    pickled = pickle.dumps(corpus)
    assert len(pickled) < 1000
    assert pickle.loads(pickled).digest == corpus.digest


@pytest.mark.slow
def test_processes_open_it_at_once(corpus: PackedCorpus) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        sums = list(pool.map(_sum_of_clip, [(str(corpus.path), index) for index in range(12)]))
    assert sums == [float(corpus.clip(index).points.sum()) for index in range(12)]


def _sum_of_clip(task: tuple[str, int]) -> float:
    return float(PackedCorpus.open(task[0]).clip(task[1]).points.sum())


def test_a_corpus_can_be_moved(corpus: PackedCorpus, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(corpus.path, moved)
    PackedCorpus.open(moved).verify()


def test_a_clip_has_a_trunk_if_any_of_its_frames_has(make_corpus: CorpusMaker) -> None:
    points = np.ones((3, 4, 49, 2), np.float32)
    points[0, :, TRUNK] = 0  # hands only
    points[1, :3, TRUNK] = 0
    clips = [SourceClip(Clip.of(each), f"{number}") for number, each in enumerate(points)]
    assert make_corpus(clips).has_trunk.tolist() == [False, True, True]
    assert [each.clip.has_trunk for each in clips] == [False, True, True]
