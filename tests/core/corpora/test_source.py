"""A reader's account of what it read."""

from core.corpora.source import NUM_RATES, ReadReport


def test_reports_of_several_pieces_are_one() -> None:
    whole, first, second = ReadReport(), ReadReport(), ReadReport()
    for report in (whole, first):
        report.measure(50, 25.0)
    for report in (whole, second):
        report.measure(30, 29.97)
        report.measure(60, None)
        report.frames_of_several_people += 3
        report.frames_missing += 2
        report.parts_seen["body"] += 1
    first.add(second)
    assert first == whole
    assert first.as_json()["frame_rates"] == {"25": 1, "29.97": 1, "unknown": 1}
    assert first.as_json()["seconds"] == {"total": 3.001, "shortest": 1.001, "median": 1.501, "longest": 2.0}
    assert first.as_json()["frames_per_clip"] == {
        "total": 140,
        "shortest": 30,
        "median": 50,
        "longest": 60,
    }


def test_rare_frame_rates_are_counted_together() -> None:
    report = ReadReport()
    for rate in range(10, 40):
        report.measure(100, float(rate))
    for _ in range(2):
        report.measure(100, 39.0)
    rates = report.as_json()["frame_rates"]
    assert isinstance(rates, dict)
    assert len(rates) == NUM_RATES + 1
    assert (rates["39"], rates["others"]) == (3, 32 - 3 - (NUM_RATES - 1))


def test_a_report_of_nothing_says_so() -> None:
    report = ReadReport().as_json()
    assert report["frames_per_clip"] is None
    assert report["seconds"] is None
    assert report["frame_rates"] == {}
