"""Duplicate detection finds planted copies, however they were changed; other takes are not copies."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.evaluation.leak_audit.alignment import distance_at, distance_resampled, masked_points, mirrored
from core.evaluation.leak_audit.copies import Copy, MiddleFrames, exact_copies, near_copies
from core.pose.clip import Clip
from core.pose.normalise import PROFILES, normalise
from core.pose.skeleton import COCO_WHOLEBODY_JOINTS
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec, SplitConfig
from core.specs.jobs import LeakAuditSpec

pytestmark = pytest.mark.slow

THRESHOLD = LeakAuditSpec(corpus="any").copy_distance
NUM_COPIED = 60

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    source = shared_data / "signs" / "signs.npz"
    out = tmp_path_factory.mktemp("signs")
    import_corpus(
        ImportSpec(name="signs", source=str(source), image_width=640, image_height=480), out, SilentObserver()
    )
    return PackedCorpus.open(out / "corpus")


def noise(deviation: float) -> Change:
    """A detector that sees each point a little elsewhere; what it did not see stays unseen."""
    return lambda points, random: np.where(
        points != 0, points + deviation * random.normal(size=points.shape), 0
    )


def shifted(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The same recording cut two frames later: two frames gone, two others instead."""
    return np.concatenate([points[2:], points[-1:] + 0.1, points[:1]])


def in_a_mirror(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The hands, both stored as right ones, and the arms change places; the trunk lies on the other side."""
    right_arm, left_arm = points[:, 46:49], points[:, 43:46]
    trunk = np.concatenate([points[:, 42:43], right_arm, left_arm], axis=1)
    trunk = np.where(trunk != 0, [1, 0] + trunk * [-1, 1], 0)
    return np.concatenate([points[:, 21:42], points[:, :21], trunk], axis=1)


CHANGES: dict[str, Change] = {
    "noise": noise(0.003),
    "more noise": noise(0.005),
    "scaled": lambda points, random: points * 1.1,
    "moved and scaled": lambda points, random: np.where(points != 0, points * 0.9 + 0.07, 0),
    "shifted by two frames": shifted,
    "begins two frames later": lambda points, random: points[2:],
    "five frames off each end": lambda points, random: points[5:-5],
    "everything": lambda points, random: noise(0.003)(points * 1.1, random)[2:-1],
    "mirrored": in_a_mirror,
    "mirrored and everything": lambda points, random: noise(0.003)(in_a_mirror(points, random) * 1.1, random)[
        2:-1
    ],
}


@pytest.mark.parametrize("name", CHANGES)
def test_planted_copies_are_found(real: PackedCorpus, tmp_path: Path, name: str) -> None:
    random, change = np.random.default_rng(0), CHANGES[name]
    longest = np.flatnonzero(real.lengths >= 20)
    sources = np.sort(random.choice(longest, NUM_COPIED, replace=False))
    corpus = with_copies(real, sources, tmp_path / "planted", lambda points: change(points, random))
    copies = np.arange(len(real), len(corpus))
    found = searched(corpus, copies, np.arange(len(real)))
    assert [(copy.clip - len(real), copy.source) for copy in found] == list(enumerate(sources.tolist()))
    assert all(copy.distance <= THRESHOLD for copy in found)
    assert {copy.mirrored for copy in found} == {name.startswith("mirrored")}


def test_a_mirrored_video_becomes_a_mirrored_clip() -> None:
    seen = np.dstack([np.random.default_rng(0).uniform(100, 400, (12, 49, 2)), np.ones((12, 49))])
    turned = seen[:, [*range(21, 42), *range(21), 42, 46, 47, 48, 43, 44, 45]] * [-1, 1, 1] + [640, 0, 0]
    sights = []
    for joints in (seen, turned):
        video = np.zeros((12, 133, 3))
        video[:, COCO_WHOLEBODY_JOINTS] = joints
        sights.append(
            masked_points(normalise(video, width=640, height=480, profile=PROFILES["wlasl"]).clip.points)
        )
    assert distance_at(mirrored(sights[0]), sights[1], lag=0) < 0.01 < 1 < distance_at(*sights, lag=0)


def test_another_take_is_no_copy(real: PackedCorpus) -> None:
    """All 812 clips of three people, thirty takes of a sign in a row: no clip is called another's copy."""
    assert len(real) == 812
    found = []
    for signer in range(3):
        takes = np.flatnonzero(real.signers == signer)
        odd, even = takes[1::2], takes[::2]
        found += searched(real, odd, even)
    assert found == []


def test_other_takes_are_beyond_the_threshold(real: PackedCorpus) -> None:
    takes = np.flatnonzero(real.signers == 0)
    nearest = searched(real, takes[1::2], takes[::2], threshold=0.2)
    assert len(nearest) > 20, "takes within 0.2 of each other are looked at and measured"
    assert min(copy.distance for copy in nearest) > 1.1 * THRESHOLD


def test_exact_copies_are_those_with_the_same_points(real: PackedCorpus, tmp_path: Path) -> None:
    corpus = with_copies(real, np.array([3, 500]), tmp_path / "planted", lambda points: points)
    found = exact_copies(corpus, np.arange(len(real), len(corpus)), np.arange(len(real)))
    assert found == [Copy(len(real), 3, 0.0), Copy(len(real) + 1, 500, 0.0)]
    assert exact_copies(corpus, np.array([4]), np.array([5, 6])) == []


def test_a_copy_at_another_frame_rate_is_near_after_resampling() -> None:
    moments = np.linspace(0, 3, 41)[:, None, None]
    ways = np.random.default_rng(0).normal(size=(2, 49, 2))
    slow = (2 + np.sin(moments) * ways[0] + np.cos(2 * moments) * ways[1]).astype(np.float32)
    fast, other = masked_points(slow[::2]), masked_points(slow[::-2])
    assert (
        distance_resampled(masked_points(slow), fast) < 0.05 < distance_resampled(masked_points(slow), other)
    )
    assert distance_resampled(masked_points(slow), masked_points(slow[::4])) == float("inf"), (
        "four times is no frame rate"
    )


def test_clips_with_too_little_overlap_have_infinite_distance() -> None:
    points = np.random.default_rng(0).random((20, 49, 2)).astype(np.float32) + 0.1
    whole = masked_points(points)
    assert distance_at(whole, whole, lag=0) == 0
    assert distance_at(whole, whole, lag=9) == float("inf"), "eleven frames of twenty"
    unseen = points.copy()
    unseen[:, :30] = 0
    assert distance_at(whole, masked_points(unseen), lag=0) == float("inf"), "19 points of 49"
    assert distance_at(masked_points(0 * points), masked_points(0 * points), lag=0) == float("inf")


def searched(
    corpus: PackedCorpus, clips: np.ndarray, sources: np.ndarray, *, threshold: float = THRESHOLD
) -> list[Copy]:
    frames = MiddleFrames.of(corpus, np.arange(len(corpus)))
    return near_copies(corpus, clips, sources, frames=frames, threshold=threshold)


def with_copies(
    corpus: PackedCorpus,
    sources: np.ndarray,
    path: Path,
    change: Callable[[np.ndarray], np.ndarray],
) -> PackedCorpus:
    """The corpus with changed copies of some of its clips after its own."""
    clips = [corpus.clip(index) for index in range(len(corpus))]
    clips += [Clip.of(change(corpus.clip(index).points)) for index in sources.tolist()]
    made = (SourceClip(clip=clip, name=str(number)) for number, clip in enumerate(clips))
    return write_corpus(path, made, name="planted", split=SplitConfig(), provenance={"from": "test"})
