"""One person throughout a clip: by tracking id, else the nearest to where the followed one was last."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.corpora.readers.checks.people import OnePerson
from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.source import ReadReport
from core.pose.normalise import PROFILES
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS


def at(x: float, confidence: float = 0.9) -> np.ndarray:
    """A person whose points are all at x."""
    return np.tile([x, 100.0, confidence], (5, 1))


def places(*frames: list[np.ndarray], tracks: list[list[int | None]] | None = None) -> list[float | None]:
    """Where the chosen person of each frame is."""
    one = OnePerson(ReadReport())
    ids = tracks or [[] for _ in frames]
    chosen = [one.choose(people, of) for people, of in zip(frames, ids, strict=True)]
    return [None if person is None else float(person[0, 0]) for person in chosen]


def test_the_nearest_is_followed_though_another_is_surer() -> None:
    assert places([at(10), at(300, 0.8)], [at(14, 0.7), at(301, 1)], [at(305, 1), at(18, 0.6)]) == [
        10,
        14,
        18,
    ]


def person(x: float, confidence: float = 0.9) -> np.ndarray:
    """A person 100 pixels wide, whose first point is at x."""
    return np.stack([np.linspace(x, x + 100, 5), np.full(5, 100.0), np.full(5, confidence)], axis=1)


def test_the_surest_is_taken_at_the_start_and_followed_over_a_gap() -> None:
    assert places([at(10, 0.5), at(300)], [], [at(12), at(299, 0.5)]) == [300, None, 299]


@pytest.mark.parametrize("empty", [0, 1, 24])
def test_another_person_does_not_take_the_place(empty: int) -> None:
    """Of two people one is missing in a frame, after some without anybody."""
    both, other = [person(10), person(300, 0.8)], [person(300)]
    found = places(both, *[[]] * empty, other, [person(11, 0.5), person(300)], other, [person(12)])
    assert found == [10, *[None] * empty, None, 11, None, 12]


def test_another_person_is_followed_after_a_second() -> None:
    found = places([person(10), person(300, 0.8)], *[[person(300)]] * 30, [person(10), person(300, 0.5)])
    assert found == [10, *[None] * 25, *[300] * 5, 300]


@pytest.mark.parametrize(("step", "is_same"), [(49, True), (51, False)])
def test_a_person_does_not_move_by_half_a_size_at_once(step: int, is_same: bool) -> None:
    found = places([person(10), person(300, 0.8)], [person(10 + step), person(300)])
    assert found == [10, 10 + step if is_same else None]


def test_one_person_alone_may_be_anywhere() -> None:
    assert places([person(10)], [], [person(300)], [person(600)]) == [10, None, 300, 600]


def test_an_id_that_comes_back_is_followed_again() -> None:
    """The tracker loses the followed person, names that person 9, and finds the first id again."""
    frames = [[person(10), person(40, 0.5)], [person(40)], [person(12), person(40)], [person(40), person(14)]]
    assert places(*frames, tracks=[[7, 8], [8], [9, 8], [8, 7]]) == [10, 40, 40, 14]
    far = [
        [person(10), person(300, 0.5)],
        [person(300)],
        [person(12), person(300)],
        [person(300), person(14)],
    ]
    assert places(*far, tracks=[[7, 8], [8], [9, 8], [8, 7]]) == [10, None, 12, 14]


def test_an_id_counts_more_than_a_place() -> None:
    frames = [[at(10), at(300, 0.5)], [at(10), at(300)], [], [at(300), at(10)]]
    assert places(*frames, tracks=[[7, 8], [8, 7], [], [7, 8]]) == [10, 300, None, 300]


def test_a_person_without_points_in_common_is_not_near() -> None:
    hidden = at(11, 0.1)
    assert places([at(10), at(300)], [hidden, at(280)]) == [10, 280]


def test_two_people_of_a_real_tracker_stay_apart(shared_data: Path) -> None:
    path = shared_data / "cases" / "two-people" / "clip.json"
    source = open_source(path, "auto", ReadOptions(PROFILES["wlasl"], (640, 480)), ReadReport())
    (raw,) = (raw for piece in source.pieces for raw in piece.read(ReadReport()))
    assert isinstance(raw, RawClip)
    frames = [frame["instances"] for frame in json.loads(path.read_text())]
    of_track = [
        np.array([person["keypoints"] for frame in frames for person in frame if person["track_id"] == track])
        for track in (0, 1)
    ]
    read = raw.video.joints[:, :, :2]
    equal = [np.allclose(read, found[:, COCO_WHOLEBODY_JOINTS]) for found in of_track]
    assert sum(equal) == 1
