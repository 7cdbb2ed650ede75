"""Accuracy of recipes, repairs and loss parts on people and days that were left out, over several corpora.

    python benchmarks/accuracy.py results.jsonl --data RECORDINGS      # signs, words, letters, made-up
    python benchmarks/accuracy.py results.jsonl --corpora made-up      # without any recordings
    python benchmarks/accuracy.py results.jsonl --table                # print existing results as Markdown

A trial is one row, one fold of one corpus and one seed. A fold leaves out a signer (one of the first three of
a corpus), or of `words` the later days:

1. Pretrain from scratch on the other clips, without labels.
2. Fit on the other clips, with all, 5 and 1 labels per gloss.
3. Score on the clips that were left out.

Each trial is one line of the results. A trial with a result for exactly the same settings is skipped, so an
interrupted run can be resumed; the remaining time is printed. The first table has one number a row: how far
it is above the strongest baseline of each corpus, on the same labels, in the mean over corpora.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from ablation.keypoints import BASELINES, Baselines
from ablation.results import Results
from ablation.rows import Row, rows
from ablation.suite import CORPORA, MADE_UP, Fold, folds
from ablation.summary import summary
from ablation.tables import tables
from ablation.trials import LABEL_COUNTS, Trial

from core.errors import SignforgeError

_FINE_TUNED_GROUPS = ("recipes",)


def main() -> None:
    """Run the missing trials, then print the tables."""
    options = _options()
    try:
        results = Results(options.results) if options.table else _taken(options)
    except SignforgeError as error:
        sys.exit(str(error))
    order = [*BASELINES, *(row.name for row in rows())]
    print(f"{summary(results.all, order)}\n\n{tables(results.all, order)}")


def _taken(options: argparse.Namespace) -> Results:
    with tempfile.TemporaryDirectory(prefix="signforge-accuracy-") as folder:
        suite = folds(options.data, Path(folder), tuple(options.corpora), _amounts(options))
        results = Results(options.results, {fold.corpus: fold.digest for fold in suite})
        _take([*_baselines(suite, options, results), *_missing(suite, options, results)], options, results)
    return results


def _baselines(suite: list[Fold], options: argparse.Namespace, results: Results) -> list[Baselines]:
    """Return the folds and seeds whose baselines have no results yet."""
    scored = [Baselines(fold, seed) for seed in range(options.seeds) for fold in suite]
    return [each for each in scored if not all(key in results for key in each.keys)]


def _missing(suite: list[Fold], options: argparse.Namespace, results: Results) -> Iterator[Trial]:
    """Yield trials without a result, ordered by seed, then row, then fold."""
    for seed in range(options.seeds):
        for row in _chosen(options):
            for fold in suite:
                trial = Trial(row, fold, seed, _fine_tuned(row, options), options.steps)
                if trial.key not in results:
                    yield trial


def _chosen(options: argparse.Namespace) -> list[Row]:
    by_name = (row for row in rows() if not options.rows or row.name in options.rows)
    return [row for row in by_name if row.group in options.groups]


def _amounts(options: argparse.Namespace) -> list[int]:
    """Return how many clips of made-up signers the chosen rows learn from."""
    return [
        row.num_clips
        for row in _chosen(options)
        if row.learned_from == "made-up" and row.num_clips is not None
    ]


def _fine_tuned(row: Row, options: argparse.Namespace) -> tuple[str, ...]:
    wanted = row.group in _FINE_TUNED_GROUPS and not options.without_fine_tuning
    return tuple(options.fine_tune) if wanted else ()


def _take(trials: Sequence[Baselines | Trial], options: argparse.Namespace, results: Results) -> None:
    began = time.perf_counter()
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(trial.run) for trial in trials]
        for done, future in enumerate(as_completed(running), start=1):
            found = future.result()
            for result in found:
                if result["key"] not in results:
                    results.add(result)
            left = (time.perf_counter() - began) / done * (len(trials) - done)
            shown = {name: found[0][name] for name in ("row", "corpus", "fold", "seed", "knn")}
            print(f"{done}/{len(trials)} {shown}; {left / 3600:.1f} h left", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    groups = list(dict.fromkeys(row.group for row in rows()))
    parser.add_argument("results", type=Path, help="file of results, one line per trial")
    parser.add_argument("--data", type=Path, help="folder of recordings: signs/signs.npz and so on")
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--without-fine-tuning", action="store_true", help="score frozen features only")
    parser.add_argument(
        "--fine-tune", nargs="+", choices=LABEL_COUNTS, default=[*LABEL_COUNTS], help="with so many labels"
    )
    parser.add_argument("--groups", nargs="+", choices=groups, default=groups)
    parser.add_argument(
        "--rows", nargs="+", choices=[row.name for row in rows()], metavar="ROW", help="run only these rows"
    )
    parser.add_argument("--steps", type=int, help="train about so many steps, not the row's epochs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--table", action="store_true", help="only print existing results")
    options = parser.parse_args()
    if not options.table and options.data is None and set(options.corpora) != {MADE_UP}:
        parser.error(f"give --data FOLDER, --corpora {MADE_UP} or --table")
    return options


if __name__ == "__main__":
    main()
