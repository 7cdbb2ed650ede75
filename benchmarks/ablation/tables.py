"""Format results as Markdown: means over signers and seeds, with the standard deviation over seeds.

A seed is included only if all its held-out signers have results.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from ablation.results import Result

_COLUMNS = {
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
    """Return one table for each group of rows, in order."""
    groups: dict[str, list[str]] = {}
    for name in sorted({result["row"] for result in results}, key=order.index):
        group = next(result["group"] for result in results if result["row"] == name)
        groups.setdefault(group, []).append(name)
    return "\n\n".join(_table(group, names, results) for group, names in groups.items())


def _table(group: str, names: Sequence[str], results: Sequence[Result]) -> str:
    signers = sorted({result["signer"] for result in results})
    columns = [
        each for each in _COLUMNS if any(each in result for result in results if result["group"] == group)
    ]
    head = [group, "seeds", *(f"kNN, {signer}" for signer in signers), *(_COLUMNS[each] for each in columns)]
    lines = [head, ["---"] * len(head)]
    for name in names:
        own, seeds = _whole_seeds([result for result in results if result["row"] == name], signers)
        if not seeds:
            continue
        by_signer = [_mean(own, "knn", signer=signer) for signer in signers]
        lines.append(
            [name, str(len(seeds)), *by_signer, *(_with_deviation(own, each, seeds) for each in columns)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _whole_seeds(results: Sequence[Result], signers: Sequence[str]) -> tuple[list[Result], list[int]]:
    """Return the results of seeds with all signers, because signers differ more than seeds."""
    taken = {(result["seed"], result["signer"]) for result in results}
    seeds = sorted(
        seed
        for seed in {result["seed"] for result in results}
        if all((seed, signer) in taken for signer in signers)
    )
    return [result for result in results if result["seed"] in seeds], seeds


def _mean(results: Iterable[Result], score: str, **where: Any) -> str:
    values = [each[score] for each in results if all(each[name] == value for name, value in where.items())]
    return f"{statistics.fmean(values):.3f}" if values else ""


def _with_deviation(results: Sequence[Result], score: str, seeds: Sequence[int]) -> str:
    """Return the mean over signers and seeds ± the deviation over seeds of the mean over signers."""
    of_seeds = [
        statistics.fmean(values)
        for seed in seeds
        if (values := [each[score] for each in results if each["seed"] == seed and score in each])
    ]
    if not of_seeds:
        return ""
    mean = f"{statistics.fmean(of_seeds):.3f}"
    return f"{mean} ± {statistics.stdev(of_seeds):.3f}" if len(of_seeds) > 1 else mean
