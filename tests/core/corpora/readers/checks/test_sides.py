"""Exchanged sides and mirrored frames are said, each by what it alone changes; nothing is said of others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.pose.synthetic.recording import HEIGHT, WIDTH, SyntheticConfig, generate_clips
from tests.core.corpora.readers.conftest import coco_keypoints, read

Save = Callable[..., Path]
LEFT = (*range(91, 112), 5, 7, 9)
RIGHT = (*range(112, 133), 6, 8, 10)
SHOULDERS, HANDS = "the left shoulder is to the left of", "the left hand leads"


@pytest.fixture(scope="session")
def recordings() -> list[np.ndarray]:
    """160 clips (T, 133, 3) of eight synthetic signers, of whom two are left-handed."""
    config = SyntheticConfig(num_signs=10, num_signers=8, takes_per_sign=2)
    return [clip.keypoints for clip in generate_clips(config)]


def mirrored(clip: np.ndarray) -> np.ndarray:
    """The points with x mirrored, as if after they were found."""
    return np.concatenate([WIDTH - clip[:, :, :1], clip[:, :, 1:]], axis=2)


def exchanged(clip: np.ndarray) -> np.ndarray:
    """The points with left and right by each other's names."""
    other = clip.copy()
    other[:, LEFT], other[:, RIGHT] = clip[:, RIGHT], clip[:, LEFT]
    return other


def of_mirrored_frames(clip: np.ndarray) -> np.ndarray:
    """What a detector makes of mirrored frames."""
    return exchanged(mirrored(clip))


def notes_of(save: Save, clips: list[np.ndarray]) -> list[str]:
    offsets = np.cumsum([0, *map(len, clips)])
    path = save("many.npz", keypoints=np.concatenate(clips), offsets=offsets, width=WIDTH, height=HEIGHT)
    return read(path).report.all_notes()


@pytest.mark.slow
def test_unchanged_recordings_give_no_note(saved: Save, recordings: list[np.ndarray]) -> None:
    assert notes_of(saved, recordings) == []


@pytest.mark.slow
def test_mirrored_frames_change_the_leading_hand(saved: Save, recordings: list[np.ndarray]) -> None:
    (note,) = notes_of(saved, list(map(of_mirrored_frames, recordings)))
    assert HANDS in note
    assert "Set unmirror_frames (--unmirror-frames), or remove it if it is set" in note


@pytest.mark.slow
@pytest.mark.parametrize("change", [mirrored, exchanged])
def test_points_or_names_alone_change_the_shoulders(
    saved: Save, recordings: list[np.ndarray], change: Callable[[np.ndarray], np.ndarray]
) -> None:
    notes = notes_of(saved, list(map(change, recordings)))
    assert notes[0].startswith(
        f"In 160 clips, most of those with visible shoulders, {SHOULDERS} the right one (for example 0"
    )


def test_a_few_clips_give_no_note_on_hands(saved: Save, recordings: list[np.ndarray]) -> None:
    assert notes_of(saved, list(map(of_mirrored_frames, recordings[:20]))) == []


def test_a_minority_is_named(saved: Save, recordings: list[np.ndarray]) -> None:
    (note,) = notes_of(saved, [*map(mirrored, recordings[:2]), *recordings[2:50]])
    assert note.startswith(
        f"In 2 of 50 clips with visible shoulders, {SHOULDERS} the right one (for example 0"
    )
    assert "; also 000001); in 48 it is to the right" in note


def test_a_minority_of_leading_left_hands_gives_no_note(saved: Save, recordings: list[np.ndarray]) -> None:
    assert notes_of(saved, [*map(of_mirrored_frames, recordings[:20]), *recordings[20:80]]) == []


def test_points_that_were_not_found_say_nothing(saved: Save) -> None:
    keypoints = coco_keypoints(20)
    keypoints[:, (5, 6, 9)] = [[10, 10, 0.4], [600, 10, 0.9], [np.inf, np.nan, 0.9]]
    assert notes_of(saved, [keypoints]) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        *(f"formats/{name}" for name in ("pose_format", "openpose_json", "traduttore_258", "traduttore_126")),
        *(f"formats/mmpose_json_133/{name}" for name in ("results_clip.json", "clip_133.npz")),
        *("formats/signwish_258", "signs/signs_small.npz", "signs/signs.npz"),
    ],
)
def test_real_recordings_give_no_note(shared_data: Path, source: str) -> None:
    notes = read(shared_data / source, size=(640, 480)).report.all_notes()
    assert not any(said in note for note in notes for said in (SHOULDERS, HANDS))
