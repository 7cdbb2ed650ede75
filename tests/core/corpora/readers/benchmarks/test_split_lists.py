"""The layout that the method's authors release: pickles and lists of them."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import ReadOptions
from core.corpora.reading import read_clips
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import PROFILES, normalise
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.benchmarks.conftest import SIZE, Write, facts, profile_of, read

CLASSES = "1 book\n2 drink\n3 thank you\n"
TRAIN = "book/69241.mp4 1\ndrink/65225.mp4 2\nthank_you/07099.mp4 3\n"


@pytest.fixture
def released(tmp_path: Path, write: Write, videos: list[np.ndarray]) -> Path:
    """Five listed clips of three classes, one of them without a pose, and a pose that no list has."""
    write("Annotations/classInd.txt", CLASSES)
    write("Annotations/trainlist01.txt", TRAIN)
    write("Annotations/testlist01.txt", "book/70212.mp4 1\n")
    write("Annotations/vallist01.txt", "drink/00335.mp4 2\n")
    write("Video/book/69241.mp4", "")
    for name, video in zip(
        ("book/69241", "drink/65225", "thank_you/07099", "book/70212", "book/00000"), videos, strict=False
    ):
        write(f"Pose/{name}.pkl", {"keypoints": video})
    return tmp_path / "data"


def test_lists_name_splits_and_classes(released: Path) -> None:
    result = read(released)
    assert result.format == "benchmark_lists"
    assert facts(result.clips) == [
        ("book/70212", "book", None, "test"),
        ("book/69241", "book", None, "train"),
        ("drink/65225", "drink", None, "train"),
        ("thank_you/07099", "thank you", None, "train"),
    ]
    assert dict(result.report.skipped) == {"no pose": 1}
    assert result.report.examples == ["drink/00335: no pose file drink/00335"]
    assert result.report.notes == [
        "The benchmark could not be identified, so the thresholds of wlasl were used. For other thresholds "
        "set profile (--profile).",
        "1 poses belong to no listed clip and were not read (for example Pose/book/00000.pkl).",
    ]


def test_the_points_are_those_of_the_pickle(released: Path, videos: list[np.ndarray]) -> None:
    clip = next(clip for clip in read(released).clips if clip.name == "book/69241")
    expected = normalise(videos[0], width=SIZE[0], height=SIZE[1], profile=PROFILES["wlasl"])
    np.testing.assert_array_equal(clip.clip.points, expected.clip.points)


@pytest.mark.system
def test_several_processes_read_the_same(released: Path) -> None:
    options = ReadOptions(PROFILES["wlasl"], SIZE, BenchmarkOptions(drop_last_frame=True))
    alone, together = (
        list(read_clips(open_source(released, "auto", options, ReadReport()), processes=number))
        for number in (1, 2)
    )
    assert facts(alone) == facts(together)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.clip.points, other.clip.points)


def test_it_becomes_a_corpus(released: Path, tmp_path: Path) -> None:
    spec = ImportSpec(name="wlasl", source=str(released), image_width=SIZE[0], image_height=SIZE[1])
    result = import_corpus(spec, tmp_path, SilentObserver())
    corpus = PackedCorpus.open(tmp_path / "corpus")
    assert result["split_counts"] == {"train": 3, "test": 1}
    assert corpus.label_names == ("book", "drink", "thank you")
    assert corpus.header.provenance["format"] == "benchmark_lists"
    assert corpus.header.provenance["profile"] == "wlasl"


@pytest.mark.parametrize(
    ("classes", "train", "labels"),
    [
        (CLASSES, "book/69241 0\ndrink/65225 1", {"book", "drink"}),
        ("book\ndrink\nthank you", "book/69241 0\ndrink/65225 1", {"book", "drink"}),
        (
            "book\ndrink\nthank you",
            "book/69241 1\ndrink/65225 2\nthank_you/07099 3",
            {"book", "drink", "thank you"},
        ),
        ("0 book\n1 drink", "Video/book/69241.mp4,0\nVideo/drink/65225.mp4,1", {"book", "drink"}),
        ("1 book\n2 drink", "book/69241.mp4\ndrink/65225.mp4", {"book", "drink"}),
        ("", "book/69241.mp4 1\ndrink/65225.mp4 12", {"0000", "0011"}),
        ("", "book/69241.mp4\t1\ndrink/65225.mp4\t12", {"0000", "0011"}),
        ("book\n3 days", "book/69241 0\ndrink/65225 1", {"book", "3 days"}),
        ("book\ndrink\nthank you", "book/69241 1\ndrink/65225 2", {"book", "drink"}),
        ("book\ndrink\nthank you", "drink/65225 1\nthank_you/07099 2", {"drink", "thank you"}),
        (CLASSES, "drink/65225 1\nthank_you/07099 2", {"drink", "thank you"}),
        ("0 a\n1 book\n2 drink\n3 b", "book/69241 1\ndrink/65225 2", {"book", "drink"}),
        ("0 book\n1 drink\n3 thank you", "drink/65225 1\nbook/69241 2", {"drink", "0002"}),
        ("0 book\n1 drink", "drink/65225 1\nbook/69241 5", {"drink", "0005"}),
        ("5 book\n6 drink", "book/69241 5\ndrink/65225 6", {"book", "drink"}),
    ],
)
def test_lists_may_count_from_0_or_1(
    released: Path, write: Write, classes: str, train: str, labels: set[str]
) -> None:
    for other in ("testlist01.txt", "vallist01.txt"):
        (released / "Annotations" / other).unlink()
    write("Annotations/classInd.txt", classes)
    write("Annotations/trainlist01.txt", train)
    assert {clip.label for clip in read(released).clips} == labels


def test_an_ambiguous_first_class_number_is_refused_or_reported(released: Path, write: Write) -> None:
    for other in ("testlist01.txt", "vallist01.txt"):
        (released / "Annotations" / other).unlink()
    write("Annotations/trainlist01.txt", "69241 1\n65225 2\n")
    write("Annotations/classInd.txt", "a\nb\nc\nd\n")
    with pytest.raises(CorpusError, match=r"count from 0 or from 1\. Neither 0 nor 4 occurs"):
        read(released)
    write("Annotations/classInd.txt", "0 a\n1 b\n2 c\n3 d\n")
    result = read(released)
    assert {clip.label for clip in result.clips} == {"b", "c"}
    assert any("assumed to be those before the class names" in note for note in result.report.notes)


@pytest.mark.parametrize("name", ["Pose_mmpose", "poses"])
def test_pose_files_lie_below_a_folder_called_pose_something(
    released: Path, write: Write, videos: list[np.ndarray], name: str
) -> None:
    (released / "Pose").rename(released / name)
    write("Features/book/69241.pkl", {"keypoints": videos[0]})
    assert len(read(released).clips) == 4


def test_only_the_first_classes(released: Path) -> None:
    assert {clip.label for clip in read(released, classes=2).clips} == {"book", "drink"}
    with pytest.raises(
        CorpusError, match=r"benchmark_classes \(--classes\) is 4, but the source has only 3 classes"
    ):
        read(released, classes=4)


def test_of_several_subsets_one_is_chosen(released: Path, write: Write) -> None:
    write("Annotations/WLASL2/trainlist01.txt", "book/69241 0\ndrink/65225 1\n")
    write("Annotations/WLASL12/trainlist01.txt", TRAIN)
    with pytest.raises(CorpusError, match=r"lists in several folders \(Annotations, Annotations/WLASL12, "):
        read(released)
    assert [clip.name for clip in read(released, classes=2).clips] == ["book/69241", "drink/65225"]


def test_clips_can_be_left_out_by_name_and_position(released: Path) -> None:
    result = read(released, exclude_clips=("book/70212",), exclude_train_positions=(0, 2))
    assert [clip.name for clip in result.clips] == ["drink/65225"]
    assert "3 clips excluded by exclude_clips and exclude_train_positions." in result.report.notes
    with pytest.raises(CorpusError, match=r"'nobody', which no list has. Clip names look like 'book/"):
        read(released, exclude_clips=("nobody",))
    with pytest.raises(CorpusError, match="has the value 3, but the training list has 3 clips"):
        read(released, exclude_train_positions=(3,))
    every = ("book/70212", "drink/00335")
    with pytest.raises(CorpusError, match="exclude all 5 clips"):
        read(released, exclude_clips=every, exclude_train_positions=(0, 1, 2))


def test_the_last_frame_can_be_dropped(released: Path, videos: list[np.ndarray]) -> None:
    whole, shorter = read(released), read(released, drop_last_frame=True)
    for one, other in zip(whole.clips, shorter.clips, strict=True):
        assert len(one.clip) - 1 <= len(other.clip) <= len(one.clip)
        np.testing.assert_array_equal(one.clip.points[: len(other.clip)], other.clip.points)
    lost = sum(report.frames_kept + report.frames_without_hands for report in (whole.report,)) - sum(
        report.frames_kept + report.frames_without_hands for report in (shorter.report,)
    )
    assert lost == len(whole.clips)


def test_a_stated_size_gives_way_only_when_asked(
    released: Path, write: Write, videos: list[np.ndarray]
) -> None:
    write("Pose/book/69241.pkl", {"keypoints": videos[0], "img_shape": (480, 1280)})
    stated, overridden = (
        next(
            clip.clip
            for clip in read(released, override_image_size=switch).clips
            if clip.name == "book/69241"
        )
        for switch in (False, True)
    )
    np.testing.assert_allclose(2 * stated.points[:, 42:, 0], overridden.points[:, 42:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "profile"),
    [("NMFs-CSL", "nmfs_csl"), ("SLR500", "slr500"), ("MS-ASL1000", "msasl"), ("data", "wlasl")],
)
def test_the_folder_says_whose_thresholds_count(released: Path, name: str, profile: str) -> None:
    folder = released.rename(released.with_name(name))
    assert profile_of(folder).name == profile
    stated = profile_of(folder, profile=PROFILES["msasl"], profile_is_stated=True)
    assert stated.name == "msasl"


def test_without_a_size_every_clip_says_so(released: Path) -> None:
    report = read(released, size=None).report
    assert report.skipped["unreadable"] == 4
    assert re.search("The frame size of clip .* Set image_width", report.examples[-1])


def test_classes_without_clips_are_none(released: Path, write: Write) -> None:
    write("Annotations/trainlist01.txt", "thank_you/07099 3")
    for name in ("testlist01.txt", "vallist01.txt"):
        write(f"Annotations/{name}", "thank_you/07099 3")
    with pytest.raises(CorpusError, match="The lists are empty, or have no clip of the selected classes"):
        read(released, classes=2)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("book/1 1\n" * 8_000_000, r"trainlist01\.txt has 72000000 bytes; the limit for a list is"),
        ("book\n", r"trainlist01\.txt, line 1: expected '<path> <class number>'; got 'book'"),
        ("x/1 1\ny/2 1\n", r"None of the 4 listed clips has a pose file below .* with any ending"),
    ],
)
def test_wrong_lists_are_refused(released: Path, write: Write, train: str, message: str) -> None:
    write("Annotations/trainlist01.txt", train)
    write("Annotations/testlist01.txt", "x/7 1")
    with pytest.raises(CorpusError, match=message):
        read(released)


def test_empty_lists_are_named(released: Path, write: Write) -> None:
    for name in ("trainlist01.txt", "vallist01.txt", "testlist01.txt"):
        write(f"Annotations/{name}", "\n")
    message = (
        r"testlist01\.txt, .*/vallist01\.txt have no clip. Write lines of the form '<path> <class number>'"
    )
    with pytest.raises(CorpusError, match=message):
        read(released)


def test_a_clip_of_two_classes_is_refused_unless_left_out(released: Path, write: Write) -> None:
    write("Annotations/trainlist01.txt", TRAIN + "book/69241.mp4 2\n")
    message = (
        r"'book/69241' is listed with two labels, 'book' and 'drink'. Correct the lists, or exclude the clip"
    )
    for classes in (None, 1):
        with pytest.raises(CorpusError, match=message):
            read(released, classes=classes)
    names = [clip.name for clip in read(released, exclude_clips=("book/69241",)).clips]
    assert names == ["book/70212", "drink/65225", "thank_you/07099"]


def test_a_clip_that_is_listed_twice_is_read_once(released: Path, write: Write) -> None:
    write("Annotations/trainlist01.txt", TRAIN + "book/69241.mp4 1\nbook/69241.avi 1\n")
    result = read(released)
    assert [clip.name for clip in result.clips].count("book/69241") == 1
    assert "2 lines repeat a clip of the same list; each clip was read once." in result.report.notes
    assert not any("already" in note for note in read(released, exclude_clips=("book/69241",)).report.notes)


def test_a_class_number_without_a_name_is_noted(released: Path, write: Write) -> None:
    write("Annotations/trainlist01.txt", TRAIN.replace(" 3", " 99"))
    result = read(released)
    assert "0098" in {clip.label for clip in result.clips}
    (note,) = (note for note in result.report.notes if "classInd" in note)
    assert note == (
        "classInd.txt has no name for 1 class numbers of lists (for example 99). Their label is the number."
    )


def test_a_clip_with_two_poses_is_refused(released: Path, write: Write) -> None:
    write("Pose/book/69241.pickle", np.zeros((2, 133, 3)))
    with pytest.raises(CorpusError, match=r"69241\.\w+ and .* both match clip 'book/69241'"):
        read(released)


def test_a_hostile_or_damaged_pose_is_skipped_and_named(released: Path, write: Write) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("true",)

    write("Pose/book/69241.pkl", Hostile())
    whole = (released / "Pose/drink/65225.pkl").read_bytes()
    (released / "Pose/drink/65225.pkl").write_bytes(whole[:1000])
    write("Pose/thank_you/07099.pkl", {"keypoints": np.zeros((4, 17, 3))})
    report = read(released).report
    assert dict(report.skipped) == {"no pose": 1, "unreadable": 3}
    assert [f"{os.system.__module__}.system" in text for text in report.examples] == [
        False,
        True,
        False,
        False,
    ]
    assert "65225.pkl is damaged" in report.examples[2]
    assert "must have the shape (frames, 133, 3), or (..., 2) and scores" in report.examples[3]
