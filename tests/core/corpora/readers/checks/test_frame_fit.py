"""A frame size that cannot be that of the recording is said, and nothing is said of real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.corpora.findings import Evidence
from core.corpora.importing import import_corpus
from core.corpora.readers.checks.doubtful_values import NOT_NUMBERS
from core.errors import CorpusError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers.checks.test_limits import WRITERS
from tests.core.corpora.readers.conftest import coco_keypoints, read

Save = Callable[..., Path]
BESIDE = "Check the frame size in the source, or image_width and image_height"


@pytest.mark.parametrize(
    ("size", "note"),
    [
        ((640, 480), None),
        ((369, 289), None),
        ((100, 50), "Many points of 2 clips lie outside their frame (for example 000000: x from 27"),
        (
            (10_000, 10_000),
            "All points of 2 clips lie within 0.5 % of their frame (for example 000000: x from ",
        ),
    ],
)
def test_points_must_fit_the_frame(saved: Save, size: tuple[int, int], note: str | None) -> None:
    path = saved("many.npz", keypoints=coco_keypoints(9), offsets=[0, 4, 9], width=size[0], height=size[1])
    notes = read(path).report.all_notes()
    assert len(notes) == (note is not None)
    for found in notes:
        assert found.startswith(str(note))
        assert f"in {size[0]} x {size[1]})" in found
        assert BESIDE in found


def test_only_sure_points_count(saved: Save) -> None:
    keypoints = coco_keypoints(4)
    keypoints[:, 91:112] = [np.inf, -900, 0.9]
    keypoints[:, 0] = [2000, -5, 0.4]
    assert read(saved("clip.npz", keypoints=keypoints, width=640, height=480)).report.findings() == [
        Evidence(NOT_NUMBERS, 1, examples=["clip: 84 of 192"])
    ]


@pytest.mark.parametrize(("share", "is_found"), [(0.15, False), (0.25, True)])
@pytest.mark.parametrize("axis", [0, 1])
def test_few_points_are_left_of_the_frame_or_above(
    saved: Save, axis: int, share: float, is_found: bool
) -> None:
    keypoints = coco_keypoints(40)
    seen = keypoints[:, 91:]
    seen[: round(share * 40 * 49 / 42), :, axis] -= 400
    report = read(saved("clip.npz", keypoints=keypoints, width=640, height=480)).report
    assert ("points-outside-frame" in [each.kind.code for each in report.findings()]) == is_found


@pytest.mark.parametrize("form", ["pose_pickle", "mediapipe_holistic", "mediapipe_tasks"])
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("clip", [30, 40])  # in the first one the hands are in the lower right
def test_coordinates_about_the_middle_of_the_frame_are_found(
    shared_data: Path, tmp_path: Path, form: str, scale: float, clip: int
) -> None:
    """Real people in coordinates from -1 to 1, or from -0.5 to 0.5."""
    with np.load(shared_data / "signs" / "signs_small.npz") as file:
        points = file["keypoints"][clip].astype("f8")
    known = points[..., :2].any(axis=-1)
    points[known, :2] = scale * (points[known, :2] - 0.5)
    found = read(WRITERS[form](tmp_path / "clip", points), size=(640, 480)).report.findings()
    assert "points-outside-frame" in [each.kind.code for each in found]


def test_clips_of_two_pieces_are_counted_together(saved: Save, tmp_path: Path) -> None:
    for number in range(20):
        width = 640 if number % 2 else 50
        saved(f"clips/{number:02}.npz", keypoints=coco_keypoints(2), width=width, height=480)
    (note,) = read(tmp_path / "clips").report.all_notes()
    assert note.startswith("Many points of 10 clips lie outside their frame (for example 00: x from 2")


@pytest.mark.parametrize(
    ("size", "code"), [((40, 30), "points-outside-frame"), ((9000, 9000), "points-in-a-corner")]
)
@pytest.mark.parametrize(("num_wrong", "is_refused"), [(6, True), (5, False)])
def test_more_than_half_of_the_clips_refuse_an_import(
    saved: Save, tmp_path: Path, size: tuple[int, int], code: str, num_wrong: int, is_refused: bool
) -> None:
    for number in range(10):
        width, height = size if number < num_wrong else (640, 480)
        saved(f"clips/{number}.npz", keypoints=coco_keypoints(5), width=width, height=height)
    spec = ImportSpec(name="sizes", source=str(tmp_path / "clips"))
    (out := tmp_path / "out").mkdir()
    if is_refused:
        with pytest.raises(CorpusError, match=f"6 of 10, so nothing was imported.*--accept {code}"):
            import_corpus(spec, out, SilentObserver())
        spec = spec.model_copy(update={"accept": (code,)})
    assert import_corpus(spec, out, SilentObserver())["num_clips"] == 10


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("formats/pose_format", None),
        ("formats/openpose_json", (1000, 1000)),
        ("formats/mmpose_json_133/clip_133.npz", None),
        ("formats/traduttore_258", (640, 480)),
        ("formats/traduttore_126", (640, 480)),
        ("formats/signwish_258", (640, 480)),
        ("signs/signs_small.npz", (640, 480)),
    ],
)
def test_real_recordings_give_no_note(shared_data: Path, source: str, size: tuple[int, int] | None) -> None:
    assert not any("their frame" in note for note in read(shared_data / source, size=size).report.all_notes())
    if source == "formats/openpose_json":
        notes = read(shared_data / source, size=(100, 100)).report.all_notes()
        assert any("lie outside their frame (for example clip: x from 82 to 237" in note for note in notes)
