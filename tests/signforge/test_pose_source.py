"""What is said of a source whose clips cannot be used."""

from pathlib import Path

from core.corpora.source import ReadReport
from signforge.pose_source import PoseSource


def test_a_reason_is_given_once_with_one_stop() -> None:
    report = ReadReport()
    for name in ("book/c1", "book/c2"):
        report.skip(name, "unreadable", f"x/{name}.npz does not state the frame width. Set image_width.")
    report.skip("tea/c3", "no frames")
    assert str(PoseSource(Path("x"), 3, iter(()), report).nothing_usable()) == (
        "x has no usable clip: book/c1 and 1 more: x/book/c1.npz does not state the frame width. Set "
        "image_width; tea/c3: no frames."
    )
