"""One number a row: how far it is above the strongest baseline, in the mean over corpora, with an interval.

For each score of a corpus the strongest baseline is the one with the largest mean over folds and seeds. A
row's difference from it is taken fold by fold and seed by seed, on the same labels. A fine-tuned network is
compared with the strongest linear probe of raw keypoints on the labels that it was trained with.

The interval is a 95 % percentile bootstrap over the pairs of a fold and a seed, within each corpus. With
three signers a corpus it does not tell how the row does on signers of another corpus; the corpora side by
side do.
"""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from ablation.results import Result

FROZEN: Mapping[str, str] = {score: score for score in ("knn", "linear_1", "linear_5", "linear_all")}
ALL: Mapping[str, str] = {**FROZEN, "fine_tune_1": "paired_1", "fine_tune_5": "paired_5"}
"""Score of a row -> that of a baseline on the same labels."""
_NUM_RESAMPLES = 2000
_BASELINES = "baselines"

Place = tuple[str, int]
"""A fold and a seed."""


def summary(results: Sequence[Result], order: Sequence[str]) -> str:
    """Return a table of the rows with results on every corpus: mean differences, and those of each corpus."""
    corpora = list(dict.fromkeys(result["corpus"] for result in results))
    rows = sorted({each["row"] for each in results if each["group"] != _BASELINES}, key=order.index)
    head = ["above the strongest baseline", "all six scores", "frozen features", *corpora]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        frozen = [_differences(results, row, corpus, FROZEN) for corpus in corpora]
        every = [_differences(results, row, corpus, ALL) for corpus in corpora]
        if all(frozen):
            means = [f"{statistics.fmean(each):+.3f}" for each in frozen]
            lines.append([row, _mean_and_interval(every), _mean_and_interval(frozen), *means])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def strongest(results: Sequence[Result], corpus: str, score: str) -> dict[Place, float]:
    """Return the scores of a corpus' strongest baseline, by fold and seed."""
    by_row: dict[str, dict[Place, float]] = {}
    for each in results:
        if each["group"] == _BASELINES and each["corpus"] == corpus and score in each:
            by_row.setdefault(each["row"], {})[each["fold"], each["seed"]] = each[score]
    return max(by_row.values(), key=lambda scores: statistics.fmean(scores.values()), default={})


def _differences(results: Sequence[Result], row: str, corpus: str, scores: Mapping[str, str]) -> list[float]:
    """Return a row's mean difference over the scores, for each fold and seed that has all of them."""
    beside = {score: strongest(results, corpus, of_baseline) for score, of_baseline in scores.items()}
    own = [each for each in results if each["row"] == row and each["corpus"] == corpus]
    return [
        statistics.fmean(each[score] - beside[score][each["fold"], each["seed"]] for score in scores)
        for each in own
        if all(score in each and (each["fold"], each["seed"]) in beside[score] for score in scores)
    ]


def _mean_and_interval(units: Sequence[Sequence[float]]) -> str:
    """Return the mean over corpora of their means; empty if a corpus has no unit."""
    if not all(units):
        return ""
    generator = np.random.default_rng(0)
    drawn = np.mean(
        [generator.choice(each, (_NUM_RESAMPLES, len(each))).mean(axis=1) for each in units], axis=0
    )
    low, high = np.percentile(drawn, (2.5, 97.5))
    return f"{np.mean([statistics.fmean(each) for each in units]):+.3f} ({low:+.3f} .. {high:+.3f})"
