"""An import's report, as `signforge corpora` prints it."""

from core.corpora.source import ReadReport
from signforge.commands.printing.import_report import report_fields


def test_a_report_tells_what_was_read_and_left_out() -> None:
    report = ReadReport(clips_read=2, frames_kept=70, frames_without_hands=10)
    report.frames_of_several_people = 4
    report.frames_missing = 3
    report.measure(50, 25.0)
    report.measure(30, 30.0)
    report.skip("tea/3", "unreadable", "tea/3.pose is damaged: its header states 8 bytes, but it has 4.")
    report.note("No frame size given.")
    assert report_fields(report.as_json()) == [
        ("clips read", "2 (1 skipped)"),
        ("skipped because", "unreadable: 1"),
        ("for example", "tea/3: tea/3.pose is damaged: its header states 8 bytes, but it has 4."),
        ("frames kept", "70 (10 without hands)"),
        ("several people", "in 4 frames; one was read"),
        ("missing frames", "3 between others; the gaps were closed"),
        ("frames per clip", "30 to 50, median 40, 80 in all"),
        ("frames a second", "25: 1, 30: 1"),
        ("seconds", "1 to 2, median 1.5, 3 in all"),
        ("notes", "No frame size given."),
    ]


def test_a_report_of_an_older_import_says_less() -> None:
    assert report_fields({}) == []
    assert report_fields({"clips_read": 3, "frames_kept": 9}) == [("clips read", "3"), ("frames kept", "9")]
