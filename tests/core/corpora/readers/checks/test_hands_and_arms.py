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
    folder = folder_of(saved, exchanged(person()), exchanged(person()))
    (found,) = read(folder).report.findings()
    assert (found.kind.code, found.count) == ("exchanged-hands", 2)
    assert read(folder, sides="exchange_hands").report.findings() == []


def test_hands_exchanged_by_an_option_are_found(saved: Any) -> None:
    (found,) = read(folder_of(saved, person()), sides="exchange_hands").report.findings()
    assert found.message.endswith("set sides (--sides exchange_hands), or remove it if it is set.")


def test_hands_at_neither_arm_are_found(saved: Any) -> None:
    assert codes(saved, shifted(person())) == {"hands-off-arms": 1}


def folder_of(saved: Any, *clips: np.ndarray) -> Path:
    for number, keypoints in enumerate(clips):
        path: Path = saved(f"clips/{number:03}.npz", keypoints=keypoints, width=640, height=480)
    return path.parent


@pytest.mark.parametrize(("num_wrong", "num_right"), [(1, 1), (1, 9), (1, 99), (3, 17)])
def test_a_few_wrong_clips_are_told_and_do_not_refuse(
    saved: Any, tmp_path: Path, num_wrong: int, num_right: int
) -> None:
    folder = folder_of(saved, *[exchanged(person())] * num_wrong, *[person()] * num_right)
    (tmp_path / "out").mkdir()
    (found,) = imported(folder, tmp_path / "out")["report"]["findings"]
    assert (found["code"], found["clips"], found["refused"]) == ("exchanged-hands", num_wrong, False)
    assert f"In {num_wrong} of {num_wrong + num_right} clips" in found["message"]
    assert f"; {num_right} are right" in found["message"]


def test_a_share_below_a_hundredth_is_not_told(saved: Any) -> None:
    assert read(folder_of(saved, exchanged(person(5)), *[person(5)] * 100)).report.findings() == []


@pytest.mark.parametrize("wrong", [exchanged, shifted])
def test_a_mixed_corpus_is_refused_above_half(saved: Any, tmp_path: Path, wrong: Any) -> None:
    folder = folder_of(saved, *[wrong(person())] * 12, *[person()] * 8)
    with pytest.raises(CorpusError, match=r"In 12 of 20 clips .*; also 001, 002, .* 011\); 8 are right"):
        imported(folder, tmp_path)
    (found,) = read(folder).report.findings()
    assert len(found.as_json(20)["examples"]) == 12  # type: ignore[arg-type]


def test_of_many_wrong_clips_twenty_are_named(saved: Any) -> None:
    (found,) = read(folder_of(saved, *[exchanged(person(5))] * 25, person(5))).report.findings()
    assert "018, 019 and 5 more)" in found.message
    assert len(found.examples) == 20


def test_clips_that_are_wrong_in_two_ways_do_not_call_each_other_right(saved: Any) -> None:
    clips = [exchanged(person())] * 3 + [shifted(person())] * 2 + [person()]
    messages = {found.kind.code: found.message for found in read(folder_of(saved, *clips)).report.findings()}
    assert "In 3 of 4 clips" in messages["exchanged-hands"]
    assert "In 2 of 3 clips" in messages["hands-off-arms"]
    assert all("; 1 are right" in message for message in messages.values())


@pytest.mark.parametrize("num_frames", [1, 4, 5])
@pytest.mark.parametrize("hands", [2, 1])
def test_few_frames_tell_if_hands_are_exchanged(saved: Any, num_frames: int, hands: int) -> None:
    keypoints = exchanged(person())
    keypoints[num_frames:, 91:, 2] = 0
    if hands == 1:
        keypoints[:, LEFT_HAND, 2] = 0
    assert codes(saved, keypoints, keypoints[:num_frames]) == {"exchanged-hands": 2}


@pytest.mark.parametrize("num_frames", [1, 4, 5])
def test_one_hand_of_few_frames_does_not_tell_if_it_is_off(saved: Any, num_frames: int) -> None:
    keypoints = shifted(person(num_frames))
    assert codes(saved, keypoints) == {"hands-off-arms": 1}
    keypoints[:, LEFT_HAND, 2] = 0
    assert codes(saved, keypoints) == ({} if num_frames < 5 else {"hands-off-arms": 1})


@pytest.mark.parametrize("change", [exchanged, shifted])
def test_points_that_a_source_does_not_have_do_not_count(saved: Any, change: Any) -> None:
    """As in DSTA-SLR's packs: the wrist, four joints and the tips of a hand."""
    keypoints = change(person())
    for hand in (LEFT_HAND, RIGHT_HAND):
        keypoints[:, hand][:, [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 1]] = 0
    name = {exchanged: "exchanged-hands", shifted: "hands-off-arms"}[change]
    assert codes(saved, keypoints) == {name: 1}
    keypoints[:, 91:, 2] *= 0.5
    assert codes(saved, keypoints) == {}, "hands that are not seen"


def test_a_wrist_alone_is_no_hand(saved: Any) -> None:
    keypoints = exchanged(person())
    keypoints[:, [*range(92, 112), *range(113, 133)]] = 0
    assert "exchanged-hands" not in codes(saved, keypoints)


def imported(source: Path, out: Path, **options: Any) -> Any:
    spec = ImportSpec.model_validate({"name": "case", "source": str(source), **SIZE, **options})
    return import_corpus(spec, out, SilentObserver())


@pytest.mark.parametrize(
    ("case", "codes"),
    [
        ("handedness-swapped/swapped.json", ["exchanged-hands"]),
        ("mp-data-order/pose_rh_lh", ["other-part-order"]),
        ("mp-data-order/face_pose_lh_rh", ["other-part-order"]),
    ],
)
def test_such_a_source_is_refused_unless_all_is_accepted(
    shared_data: Path, tmp_path: Path, case: str, codes: list[str]
) -> None:
    source = shared_data / "cases" / case
    with pytest.raises(CorpusError, match=" ".join(f"--accept {code}" for code in codes)):
        imported(source, tmp_path)
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
        pytest.param("letters/letters.npz", (640, 480), marks=pytest.mark.slow),
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
