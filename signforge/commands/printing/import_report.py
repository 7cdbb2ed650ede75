"""An import's report (clips read and skipped, frames, notes, findings) as names and values for display."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from core.specs.counts import counted

_NUM_EXAMPLES = 5


def report_fields(report: Mapping[str, Any], refused_for: Collection[str] = ()) -> list[tuple[str, str]]:
    """An import's report as names and values, without empty ones (docs/reference/formats.md).

    `refused_for`: codes of findings for which an import would be refused; others that refuse were accepted.
    """
    fields = [
        ("clips read", _counted(report, "clips_read", {"skipped": report.get("clips_skipped", 0)})),
        ("skipped because", _by_count(report.get("skipped") or {})),
        ("for example", _lines(_grouped(report.get("examples") or [])[:_NUM_EXAMPLES])),
        ("frames kept", _frames(report)),
        ("hands only", _hands_only(report)),
        ("several people", _several_people(report)),
        ("missing frames", _missing(report)),
        ("frames per clip", _spread(report.get("frames_per_clip"))),
        ("frames a second", _rates(report.get("frame_rates") or {})),
        ("clips that show", _by_count(report.get("parts_seen") or {})),
        ("seconds", _spread(report.get("seconds"))),
        ("notes", _lines(report.get("notes") or [])),
        ("findings", _lines([_finding(found, refused_for) for found in report.get("findings") or []])),
    ]
    return [(name, value) for name, value in fields if value]


def summary_fields(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an import understood: glosses, splits, signers and sessions, as names and values."""
    fields = [
        ("glosses", _glosses(summary)),
        ("splits", _by_count({k: n for k, n in (summary.get("split_counts") or {}).items() if n})),
        ("signers", _groups(summary, "signer")),
        ("sessions", _groups(summary, "session")),
    ]
    return [(name, value) for name, value in fields if value]


def _glosses(summary: Mapping[str, Any]) -> str:
    """How many glosses a corpus has, the first and the smallest; without labels, how to add them."""
    names: Sequence[str] = summary.get("label_names") or ()
    if not names:
        return (
            "none, so the corpus can train an encoder, but not score one. To have labels, name folders "
            "<gloss>/<clip>, or add a labels.csv (docs/reference/formats.md), and import again."
        )
    lines = [f"{len(names)}: {_first(names)}"]
    if per_gloss := summary.get("clips_per_gloss"):
        smallest = _by_count(per_gloss["smallest"])
        fewest, most = per_gloss["fewest"], per_gloss["most"]
        each = counted(most, "clip") if fewest == most else f"{fewest} to {most} clips"
        lines.append(f"{each} each" + (f"; fewest: {smallest}" if fewest != most else ""))
    if without := (summary.get("num_without") or {}).get("label"):
        lines.append(f"{counted(without, 'clip')} without a gloss")
    return _lines(lines)


def _groups(summary: Mapping[str, Any], noun: str) -> str:
    names: Sequence[str] = summary.get(f"{noun}_names") or ()
    if not names:
        return "unknown"
    without = (summary.get("num_without") or {}).get(noun)
    counts: Mapping[str, int] = (summary.get("signer_counts") or {}) if noun == "signer" else {}
    shown = [f"{name} ({counted(counts[name], 'clip')})" if name in counts else name for name in names]
    return f"{len(names)}: {_first(shown)}" + (
        f"; {counted(without, 'clip')} without a {noun}" if without else ""
    )


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NUM_EXAMPLES
    return ", ".join(names[:_NUM_EXAMPLES]) + (f" and {more} more" if more > 0 else "")


def _counted(report: Mapping[str, Any], field: str, others: Mapping[str, int]) -> str:
    if field not in report:
        return ""
    left_out = ", ".join(f"{count} {reason}" for reason, count in others.items() if count)
    return f"{report[field]}" + (f" ({left_out})" if left_out else "")


def _frames(report: Mapping[str, Any]) -> str:
    """The frames kept, of how many, and why the others were dropped."""
    dropped = {
        "no hand": report.get("frames_without_hands", 0),
        "subsampled": report.get("frames_subsampled", 0),
    }
    kept, lost = report.get("frames_kept"), sum(dropped.values())
    if kept is None or not lost:
        return "" if kept is None else str(kept)
    reasons = ", ".join(f"{count} dropped: {reason}" for reason, count in dropped.items() if count)
    return f"{kept} of {kept + lost} ({reasons})"


def _rates(rates: Mapping[str, int]) -> str:
    return ", ".join(f"{rate} ({counted(clips, 'clip')})" for rate, clips in rates.items())


def _hands_only(report: Mapping[str, Any]) -> str:
    num_clips = report.get("clips_without_body", 0)
    have = "has" if num_clips == 1 else "have"
    return (
        f"{num_clips} of {counted(report.get('clips_read', 0), 'clip')} {have} no body" if num_clips else ""
    )


def _several_people(report: Mapping[str, Any]) -> str:
    num_frames = report.get("frames_of_several_people", 0)
    return f"in {counted(num_frames, 'frame')}; one was read" if num_frames else ""


def _missing(report: Mapping[str, Any]) -> str:
    num_frames = report.get("frames_missing", 0)
    return f"{num_frames} between others; the gaps were closed" if num_frames else ""


def _by_count(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())


def _spread(spread: Mapping[str, float] | None) -> str:
    if not spread:
        return ""
    if spread["shortest"] == spread["longest"]:
        one = f"{spread['longest']:g}"
        is_single = spread["total"] == spread["longest"]
        return one if is_single else f"{one} each, {spread['total']:.10g} in all"
    return (
        f"{spread['shortest']:g} to {spread['longest']:g}, median {spread['median']:g}, "
        f"{spread['total']:.10g} in all"
    )


def _grouped(examples: Sequence[str]) -> list[str]:
    """Say once what is wrong with several clips; an example is `NAME: what is wrong`."""
    clips: dict[str, list[str]] = {}
    for example in examples:
        name, _, wrong = example.partition(": ")
        clips.setdefault(wrong, []).append(name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {wrong}"
        for wrong, names in clips.items()
    ]


def _finding(found: Mapping[str, Any], refused_for: Collection[str]) -> str:
    code = found["code"]
    mark = "" if not found.get("refused") else ": refused" if code in refused_for else ": accepted"
    return f"{found['message']} [{code}{mark}]"


def _lines(sentences: Sequence[str]) -> str:
    return "\n".join(sentences)
