"""Which differences between two preprocessing records change what points mean."""

import pytest

from core.specs.preprocessing import Preprocessing

ASSUMED = "not stated (square frames unless the files state it)"


def record(**fields: object) -> Preprocessing:
    return Preprocessing.model_validate({"format": "mp_data", "profile": "wlasl", **fields})


def of_size(width: int, height: int, **fields: object) -> Preprocessing:
    return record(image_width=width, image_height=height, **fields)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (record(), record(), []),
        (of_size(640, 480), record(), [f"frame size: 640 x 480 and {ASSUMED}"]),
        (record(), of_size(640, 480), [f"frame size: {ASSUMED} and 640 x 480"]),
        (of_size(500, 500), record(), []),
        (of_size(640, 480), of_size(1280, 720), []),
        (of_size(640, 480, format="pose_format"), record(format="pose_format"), []),
        (of_size(640, 480), record(format="asl_signs"), ["format: 'mp_data' and 'asl_signs'"]),
        (
            record(part_order=("face", "pose")),
            record(),
            ["part_order: face, pose and as the format has it"],
        ),
        (record(sides="exchange_all"), record(), ["sides: 'exchange_all' and 'as_stored'"]),
    ],
)
def test_differences_are_named(one: Preprocessing, other: Preprocessing, expected: list[str]) -> None:
    assert one.differences(other) == expected
