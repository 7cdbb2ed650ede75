"""An import's report, as `signforge corpora` prints it."""

import numpy as np
import pytest

from core.corpora.source import ReadReport
from core.pose.clip import Clip
from signforge.commands.printing.import_report import report_fields, summary_fields
from signforge.commands.printing.terminal import print_fields


def test_a_report_tells_what_was_read_and_left_out() -> None:
    report = ReadReport(clips_read=2, frames_kept=70, frames_without_hands=10)
    report.frames_of_several_people = 4
    report.frames_missing = 3
    report.measure(50, 25.0)
    report.measure(30, 30.0)
    left_hand = np.arange(49)[None].repeat(2, 0) == 30
    report.see(Clip.of(np.zeros((2, 49, 2)), left_hand))
    report.see(Clip.of(np.ones((2, 49, 2)), ~left_hand & False))
    report.skip("tea/3", "unreadable", "tea/3.pose is damaged: its header states 8 bytes, but it has 4.")
    report.note("No frame size given.")
    assert report_fields(report.as_json()) == [
        ("clips read", "2 (1 skipped)"),
        ("skipped because", "unreadable: 1"),
        ("for example", "tea/3: tea/3.pose is damaged: its header states 8 bytes, but it has 4."),
        ("frames kept", "70 of 80 (10 dropped: no hand)"),
        ("hands only", "1 of 2 clips has no body"),
        ("several people", "in 4 frames; one was read"),
        ("missing frames", "3 between others; the gaps were closed"),
        ("frames per clip", "30 to 50, median 40, 80 in all"),
        ("frames a second", "25 (1 clip), 30 (1 clip)"),
        ("clips that show", "right hand: 0, left hand: 1, both hands: 0, body: 1"),
        ("seconds", "1 to 2, median 1.5, 3 in all"),
        ("notes", "No frame size given."),
    ]


def test_equal_reasons_are_told_once() -> None:
    examples = ["a: no hands", "b: no frames", "c: no hands", "d: no hands"]
    assert dict(report_fields({"examples": examples}))["for example"] == (
        "a and 2 more: no hands\nb: no frames"
    )


def test_a_summary_tells_what_was_understood() -> None:
    summary = {
        "label_names": ["a", "b", "c", "d", "e", "f"],
        "clips_per_gloss": {"fewest": 1, "median": 2.0, "most": 9, "smallest": {"f": 1, "a": 2}},
        "num_without": {"label": 3, "signer": 4, "session": 12},
        "split_counts": {"train": 10, "val": 0, "test": 2},
        "signer_names": ["ann", "ben"],
        "signer_counts": {"ann": 5, "ben": 1},
        "session_names": [],
    }
    assert summary_fields(summary) == [
        (
            "glosses",
            "6: a, b, c, d, e and 1 more\n1 to 9 clips each; fewest: f: 1, a: 2\n3 clips without a gloss",
        ),
        ("splits", "train: 10, test: 2"),
        ("signers", "2: ann (5 clips), ben (1 clip); 4 clips without a signer"),
        ("sessions", "unknown"),
    ]


def test_one_clip_is_told_as_one() -> None:
    report = ReadReport(clips_read=1, frames_kept=24)
    report.measure(24, 24.0)
    fields = dict(report_fields(report.as_json()))
    assert fields["frames kept"] == "24"
    assert (fields["frames per clip"], fields["seconds"]) == ("24", "1")
    assert fields["frames a second"] == "24 (1 clip)"
    assert fields["hands only"] == "1 of 1 clip has no body"
    report.measure(24, 24.0)
    assert dict(report_fields(report.as_json()))["frames per clip"] == "24 each, 48 in all"


def test_lines_do_not_end_with_spaces_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("glosses", "tea"), ("notes", "one\nlonger than the first")])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["glosses  tea", "notes    one", "         longer than the first"]


def test_a_report_of_an_older_import_says_less() -> None:
    assert report_fields({}) == []
    assert report_fields({"clips_read": 3, "frames_kept": 9}) == [("clips read", "3"), ("frames kept", "9")]
