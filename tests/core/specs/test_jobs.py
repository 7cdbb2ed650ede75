"""Validation of import specifications, before they are sent or queued."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.specs.import_jobs import ImportSpec

IMPORT = {"name": "signs", "source": "upl_1"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_width": 640}, r"image_height \(--image-height\) is missing; give both width and height"),
        ({"image_height": 480}, r"image_width \(--image-width\) is missing"),
        ({"image_width": 1, "image_height": 480}, "1 x 480 pixels is below 2 x 2"),
        ({"override_image_size": True}, r"needs image_width \(--image-width\) and image_height \(--"),
        (
            {"split": {"test": ["s1", "s2"]}},
            r"\(--test\) is 's1', 's2', but split.by \(--split-by\) is 'given'",
        ),
        ({"split": {"by": "random", "test": ["s1"]}}, "is 'random'; set split.by to 'signer' or 'session'"),
        ({"split": {"by": "signer", "test_fraction": 0}}, r"test_fraction\s+Input should be greater than 0"),
        ({"split": {"by": "random", "test_fraction": 1}}, r"test_fraction\s+Input should be less than 1"),
        (
            {"name": "a/b"},
            "must not contain slashes or control characters, but this one contains '/'; remove them",
        ),
        ({"name": "a/b\n/"}, r"contains '\\n', '/'; remove"),
        ({"name": ""}, "at least 1 character"),
    ],
)
def test_an_invalid_import_is_rejected(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ImportSpec.model_validate({**IMPORT, **fields})


def test_a_complete_import_is_accepted() -> None:
    size = {"image_width": 640, "image_height": 480, "override_image_size": True}
    split = {"by": "session", "test": ["monday"]}
    assert (
        ImportSpec.model_validate({**IMPORT, **size, "name": "Ünit 1.2", "split": split}).image_width == 640
    )
