"""Draw scores over training steps, or over the number of clips without labels, from results of the suite.

    python benchmarks/scores/curves.py docs/results/steps.jsonl docs/steps.svg --over steps
    python benchmarks/scores/curves.py docs/results/scale.jsonl docs/scale.svg --over clips

A score is the mean of nearest neighbours and logistic regression with 1, 5 and all labels a gloss, over folds
and seeds. Dashed lines are the strongest raw keypoints of each of the four, and the untrained network.
"""

import argparse
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ablation.results import Result, Results
from ablation.rows import SIZE, rows
from ablation.summary import FROZEN, strongest
from ablation.trials import STEPS

Series = dict[str, list[tuple[float, float]]]
"""Name of a line -> its points, from left to right."""
_COLOURS = ("#2f6f8f", "#d9822b", "#3d9970", "#7b5aa6")
_LINE = {"untrained": "#9aa5b1", "strongest raw keypoints": "#323f4b"}
_DASHED = ' stroke-dasharray="5 4"'
_WIDTH, _HEIGHT, _MARGIN, _TOP = 360, 250, 44, 54
_BATCH = SIZE["run"]["batch_size"]
_FEWEST_STEPS = 20
_UNTRAINED = "from scratch"
_OURS = "signforge"


def main() -> None:
    """Read results, print the points, write the SVG."""
    options = _options()
    results = Results(options.results).all
    corpora = list(dict.fromkeys(each["corpus"] for each in results if each["group"] != "baselines"))
    panels = {corpus: _OVER[options.over](_of(results, corpus)) for corpus in corpora}
    for corpus, lines in panels.items():
        for name, points in lines.items():
            print(corpus, name, *(f"{x:,.0f}: {y:.3f}" for x, y in points), sep="  ")
    levels = {corpus: _levels(results, corpus) for corpus in corpora}
    for corpus, each in levels.items():
        print(corpus, *(f"{name}: {y:.3f}" for name, y in each.items()), sep="  ")
    options.out.write_text(_drawing(panels, levels, options.over))


def _of(results: Iterable[Result], corpus: str) -> list[Result]:
    return [each for each in results if each["corpus"] == corpus and each["group"] != "baselines"]


def _score(result: Result) -> float:
    return statistics.fmean(result[score] for score in FROZEN)


def _over_steps(results: Sequence[Result]) -> Series:
    """Return a line for each row, with a point for each doubling of steps that all folds have a result for.

    Folds train whole epochs, so they differ a little in their steps.
    """
    folds = {(each["fold"], each["seed"]) for each in results}
    found: Series = {}
    for row in dict.fromkeys(each["row"] for each in results if each["row"] != _UNTRAINED):
        points = defaultdict(dict)
        for each in results:
            if each["row"] == row:
                doubling = round(math.log2(each["steps"] / _FEWEST_STEPS))
                points[doubling][each["fold"], each["seed"]] = (each["steps"], _score(each))
        found[row] = [_mean(points[at].values()) for at in sorted(points) if points[at].keys() == folds]
    return found


def _over_clips(results: Sequence[Result]) -> Series:
    """Return a line for each kind of clips and number of steps, with a point for each number of clips."""
    counts = {row.name: (row.learned_from, row.num_clips) for row in rows()}
    all_clips = {each["fold"]: each["steps"] * _BATCH for each in results if each["row"] == _UNTRAINED}
    found = defaultdict(lambda: defaultdict(list))
    for each in results:
        source, count = counts[each["row"]]
        if each["row"] == _OURS:
            count = all_clips[each["fold"]]  # about: an epoch's steps have whole batches
        if count is not None and each["row"] != _UNTRAINED:
            steps = STEPS if each["row"] == _OURS else each["steps"]  # whole epochs, so about as many
            name = f"{'its own' if source == 'own' else source} clips, {steps:,} steps"
            found[name][count if each["row"] != _OURS else math.inf].append((count, _score(each)))
    return {name: [_mean(points[count]) for count in sorted(points)] for name, points in found.items()}


_OVER: Mapping[str, Callable[[Sequence[Result]], Series]] = {"steps": _over_steps, "clips": _over_clips}


def _mean(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    x, y = zip(*points, strict=True)
    return statistics.fmean(x), statistics.fmean(y)


def _levels(results: Sequence[Result], corpus: str) -> dict[str, float]:
    """Return the scores that do not depend on pretraining."""
    best = [statistics.fmean(strongest(results, corpus, score).values()) for score in FROZEN]
    untrained = [_score(each) for each in _of(results, corpus) if each["row"] == _UNTRAINED]
    known = {"strongest raw keypoints": statistics.fmean(best)}
    return known | ({"untrained": statistics.fmean(untrained)} if untrained else {})


def _drawing(panels: Mapping[str, Series], levels: Mapping[str, Mapping[str, float]], over: str) -> str:
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    colours = dict(zip(names, _COLOURS, strict=False))
    points = [point for lines in panels.values() for line in lines.values() for point in line]
    lowest = min([y for _, y in points] + [y for each in levels.values() for y in each.values()])
    scale = _Scale([x for x, _ in points], math.floor(lowest * 10) / 10)
    columns = min(2, len(panels))
    size = columns * _WIDTH, _TOP + math.ceil(len(panels) / columns) * _HEIGHT
    body = "".join(
        f'<g transform="translate({i % columns * _WIDTH},{_TOP + i // columns * _HEIGHT})">'
        f"{_panel(corpus, lines, levels[corpus], scale, colours, over)}</g>"
        for i, (corpus, lines) in enumerate(panels.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f"{_legend({**colours, **_LINE})}{body}</svg>\n"
    )


class _Scale:
    """Places in a panel: the logarithm of x, and y from `lowest` to 1."""

    def __init__(self, x: Sequence[float], lowest: float) -> None:
        self.lowest, self._left, self._right = lowest, math.log(min(x)), math.log(max(x))

    def x(self, value: float) -> float:
        share = (math.log(value) - self._left) / (self._right - self._left)
        return _MARGIN + share * (_WIDTH - 2 * _MARGIN)

    def y(self, value: float) -> float:
        return _MARGIN / 2 + (1 - value) / (1 - self.lowest) * (_HEIGHT - 1.5 * _MARGIN)

    def ticks(self) -> list[int]:
        """Return the powers of ten inside, with their twos and fives if they are few."""
        tens = [10**power for power in range(7)]
        inside = [t for t in tens if self._left <= math.log(t) <= self._right]
        some = inside if len(inside) > 2 else [t * k for t in tens for k in (1, 2, 5)]
        return [t for t in some if self._left <= math.log(t) <= self._right]


def _panel(
    corpus: str,
    lines: Series,
    levels: Mapping[str, float],
    scale: _Scale,
    colours: Mapping[str, str],
    over: str,
) -> str:
    left, right, bottom = _MARGIN, _WIDTH - _MARGIN, scale.y(scale.lowest)
    tenths = range(round(scale.lowest * 10), 11)
    grid = "".join(
        f'<path d="M{left} {y:.1f}H{right}" stroke="#e4e7eb"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#52606d">{t / 10:.1f}</text>'
        for t in tenths
        for y in [scale.y(t / 10)]
    )
    ticks = "".join(
        f'<text x="{scale.x(t):.1f}" y="{bottom + 16:.1f}" text-anchor="middle" fill="#52606d">{t:,}</text>'
        for t in scale.ticks()
    )
    dashed = "".join(
        f'<path d="M{left} {scale.y(y):.1f}H{right}" stroke="{_LINE[name]}"{_DASHED}/>'
        for name, y in levels.items()
    )
    drawn = "".join(_line(points, scale, colours[name]) for name, points in lines.items())
    titles = (
        f'<text x="{left}" y="12" font-weight="bold" fill="#323f4b">{escape(corpus)}</text>'
        f'<text x="{right}" y="{bottom + 32:.1f}" text-anchor="end" fill="#52606d">{over}</text>'
    )
    return titles + grid + ticks + dashed + drawn


def _line(points: Sequence[tuple[float, float]], scale: _Scale, colour: str) -> str:
    at = [(f"{scale.x(x):.1f}", f"{scale.y(y):.1f}") for x, y in points]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in at)
    path = " ".join(",".join(each) for each in at)
    return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>{dots}'


def _legend(colours: Mapping[str, str]) -> str:
    return "".join(
        f'<path d="M{_MARGIN + i % 3 * 230} {16 + i // 3 * 20}h24" stroke="{colour}" stroke-width="2"'
        f"{_DASHED if name in _LINE else ''}/>"
        f'<text x="{_MARGIN + 30 + i % 3 * 230}" y="{20 + i // 3 * 20}" fill="#323f4b">{escape(name)}</text>'
        for i, (name, colour) in enumerate(colours.items())
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--over", choices=_OVER, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
