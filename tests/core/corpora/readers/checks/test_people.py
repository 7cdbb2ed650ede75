"""One person throughout a clip: by tracking id, else the nearest; the surest at the start and after a gap."""

import json
from pathlib import Path

import numpy as np

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


def test_the_surest_is_taken_at_the_start_and_after_a_gap() -> None:
    assert places([at(10, 0.5), at(300)], [], [at(12), at(299, 0.5)]) == [300, None, 12]


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
