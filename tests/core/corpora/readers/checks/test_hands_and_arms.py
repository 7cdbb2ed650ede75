"""Hands must begin at the wrists of their arms: exchanged hands and parts in another order are found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.errors import CorpusError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.conftest import coco_keypoints, read

LEFT_WRIST, RIGHT_WRIST = 9, 10
LEFT_HAND, RIGHT_HAND = slice(91, 112), slice(112, 133)
SIZE = {"image_width": 640, "image_height": 480}


def person(num_frames: int = 12) -> np.ndarray:
    """A person of COCO-WholeBody points, with shoulders 100 pixels apart and a hand at each wrist."""
    keypoints = coco_keypoints(num_frames)
    keypoints[:, [5, 6], :2] = (370, 200), (270, 200)
    for wrist, hand, x in ((LEFT_WRIST, LEFT_HAND, 420), (RIGHT_WRIST, RIGHT_HAND, 220)):
        keypoints[:, wrist, :2] = x, 330
        keypoints[:, hand, :2] = keypoints[:, hand, :2] - keypoints[:, hand][:, :1, :2] + (x + 4, 333)
    return keypoints


def exchanged(keypoints: np.ndarray) -> np.ndarray:
    return keypoints[:, [*range(91), *range(112, 133), *range(91, 112)]]


def shifted(keypoints: np.ndarray) -> np.ndarray:
    moved = keypoints.copy()
    moved[:, 91:, :2] += (0, -150)
    return moved


def codes(saved: Any, *clips: np.ndarray) -> dict[str, int]:
    """Codes of the findings in a folder of these clips, and of how many clips each is true."""
    for number, keypoints in enumerate(clips):
        path = saved(f"clips/{number}.npz", keypoints=keypoints, width=640, height=480)
    return {found.kind.code: found.count for found in read(path.parent).report.findings()}


def test_a_person_whose_hands_are_at_their_arms_is_right(saved: Any) -> None:
    assert codes(saved, person(), person(5)) == {}


def test_exchanged_hands_are_found(saved: Any) -> None:
    assert codes(saved, exchanged(person()), exchanged(person())) == {"exchanged-hands": 2}


def test_hands_at_neither_arm_are_found(saved: Any) -> None:
    assert codes(saved, shifted(person())) == {"hands-off-arms": 1}


def test_one_odd_clip_among_right_ones_is_not_reported(saved: Any) -> None:
    assert codes(saved, exchanged(person()), person()) == {}


def test_a_hand_seen_in_few_frames_says_nothing(saved: Any) -> None:
    keypoints = exchanged(person())
    keypoints[4:, 91:, 2] = 0
    assert codes(saved, keypoints) == {}


def imported(source: Path, out: Path, **options: Any) -> Any:
    spec = ImportSpec.model_validate({"name": "case", "source": str(source), **SIZE, **options})
    return import_corpus(spec, out, SilentObserver())


@pytest.mark.parametrize(
    ("case", "codes"),
    [
        ("handedness-swapped/swapped.json", ["exchanged-hands"]),
        ("mp-data-order/pose_rh_lh", ["other-part-order", "exchanged-hands"]),
        ("mp-data-order/face_pose_lh_rh", ["other-part-order", "hands-off-arms"]),
    ],
)
def test_such_a_source_is_refused_unless_all_is_accepted(
    shared_data: Path, tmp_path: Path, case: str, codes: list[str]
) -> None:
    source = shared_data / "cases" / case
    with pytest.raises(CorpusError, match=" ".join(f"--accept {code}" for code in codes)):
        imported(source, tmp_path)
    with pytest.raises(CorpusError, match=f"--accept {codes[-1]}"):
        imported(source, tmp_path, accept=codes[:-1])
    assert list(tmp_path.iterdir()) == []
    found = imported(source, tmp_path, accept=codes)["report"]["findings"]
    assert [(each["code"], each["clips"]) for each in found] == [(code, 1) for code in codes]


@pytest.mark.parametrize("case", ["handedness-swapped/named_right.json", "mp-data-order/right"])
def test_the_right_reading_has_no_finding(shared_data: Path, tmp_path: Path, case: str) -> None:
    assert imported(shared_data / "cases" / case, tmp_path)["report"]["findings"] == []


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("signs/signs_small.npz", (640, 480)),
        ("letters/letters.npz", (640, 480)),
        ("formats/pose_format/mediapipe.pose", None),
        ("formats/pose_format/mediapipe_hand_normalized.pose", None),
        ("formats/mmpose_json_133/results_clip.json", (1000, 1000)),
        ("formats/mmpose_json_133/clip_133.npz", None),
        ("formats/openpose_json", (1000, 1000)),
        ("formats/traduttore_258", (640, 480)),
        ("formats/traduttore_126", (640, 480)),
        ("formats/signwish_258", (640, 480)),
    ],
)
def test_real_recordings_have_no_finding(
    shared_data: Path, source: str, size: tuple[int, int] | None
) -> None:
    assert read(shared_data / source, size=size).report.findings() == []
