"""Format results as Markdown: means over folds and seeds, with the standard deviation over seeds.

A seed is included only if all folds of its corpus have results.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from ablation.results import Result

COLUMNS = {
    "knn": "kNN, all labels",
    "knn_1": "kNN, 1 label",
    "knn_5": "5",
    "linear_1": "linear, 1 label",
    "linear_5": "5",
    "linear_all": "all",
    "paired_1": "linear on fine-tuning's draw, 1 label",
    "paired_5": "5",
    "fine_tune_1": "fine-tuned, 1 label",
    "fine_tune_5": "5",
    "fine_tune_all": "all",
}


def tables(results: Sequence[Result], order: Sequence[str]) -> str:
    """Return one table for each corpus and group of rows, rows in order."""
    made = []
    for corpus in dict.fromkeys(result["corpus"] for result in results):
        own = [result for result in results if result["corpus"] == corpus]
        groups: dict[str, list[str]] = {}
        for name in sorted({result["row"] for result in own}, key=order.index):
            group = next(result["group"] for result in own if result["row"] == name)
            groups.setdefault(group, []).append(name)
        made += [_table(f"{corpus}: {group}", names, own) for group, names in groups.items()]
    return "\n\n".join(made)


def _table(title: str, names: Sequence[str], results: Sequence[Result]) -> str:
    folds = sorted({result["fold"] for result in results})
    columns = [
        each for each in COLUMNS if any(each in result for result in results if result["row"] in names)
    ]
    head = [title, "seeds", *(f"kNN, {fold}" for fold in folds), *(COLUMNS[each] for each in columns)]
    lines = [head, ["---"] * len(head)]
    for name in names:
        own, seeds = _whole_seeds([result for result in results if result["row"] == name], folds)
        if not seeds:
            continue
        by_fold = [_mean(own, "knn", fold=fold) for fold in folds]
        lines.append(
            [name, str(len(seeds)), *by_fold, *(_with_deviation(own, each, seeds) for each in columns)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _whole_seeds(results: Sequence[Result], folds: Sequence[str]) -> tuple[list[Result], list[int]]:
    """Return the results of seeds with all folds, because signers differ more than seeds."""
    taken = {(result["seed"], result["fold"]) for result in results}
    seeds = sorted(
        seed
        for seed in {result["seed"] for result in results}
        if all((seed, fold) in taken for fold in folds)
    )
    return [result for result in results if result["seed"] in seeds], seeds


def _mean(results: Iterable[Result], score: str, **where: Any) -> str:
    values = [each[score] for each in results if all(each[name] == value for name, value in where.items())]
    return f"{statistics.fmean(values):.3f}" if values else ""


def _with_deviation(results: Sequence[Result], score: str, seeds: Sequence[int]) -> str:
    """Return the mean over folds and seeds ± the deviation over seeds of the mean over folds."""
    of_seeds = [
        statistics.fmean(values)
        for seed in seeds
        if (values := [each[score] for each in results if each["seed"] == seed and score in each])
    ]
    if not of_seeds:
        return ""
    mean = f"{statistics.fmean(of_seeds):.3f}"
    return f"{mean} ± {statistics.stdev(of_seeds):.3f}" if len(of_seeds) > 1 else mean
