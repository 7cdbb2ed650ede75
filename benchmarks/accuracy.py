"""Ablation study: accuracy of each recipe, repair and loss part on held-out signers.

    python benchmarks/accuracy.py results.jsonl --source ../shared/data/signs/signs.npz --exclude-label -
    python benchmarks/accuracy.py results.jsonl --synthetic          # synthetic signers
    python benchmarks/accuracy.py results.jsonl --table              # print existing results as Markdown

A trial holds out one signer (of the first three of a corpus), for each row and seed:

1. Pretrain from scratch on the other signers' clips, without labels.
2. Fit on the other signers, with all, 5 and 1 labels per gloss.
3. Score on the held-out signer.

Each trial is one line of the results. A trial with a result for exactly the same settings is skipped, so an
interrupted run can be resumed. A trial takes one to two minutes of one core, or four to six with fine-tuning.
All groups with three seeds take about five hours on two cores. The remaining time is printed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from ablation.keypoints import BASELINES, baselines
from ablation.results import Results
from ablation.rows import rows
from ablation.tables import tables
from ablation.trials import Trial

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.errors import SignforgeError
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec, SplitConfig

_FINE_TUNED_GROUPS = ("recipes",)
_SYNTHETIC = SyntheticConfig(num_signs=20, num_signers=6, takes_per_sign=5)
_MOST_SIGNERS = 3


def main() -> None:
    """Run the missing trials, then print the tables."""
    options = _options()
    try:
        results = Results(options.results) if options.table else _taken(options)
    except SignforgeError as error:
        sys.exit(str(error))
    print(tables(results.all, [*BASELINES, *(row.name for row in rows())]))


def _taken(options: argparse.Namespace) -> Results:
    with tempfile.TemporaryDirectory(prefix="signforge-accuracy-") as folder:
        corpus = _corpus(Path(folder), options)
        results = Results(options.results, PackedCorpus.open(corpus).digest[:16])
        _baselines(corpus, options, results)
        _take(list(_missing(corpus, options, results)), options, results)
    return results


def _baselines(corpus: str, options: argparse.Namespace, results: Results) -> None:
    """Score the baselines without learned features."""
    for seed in range(options.seeds):
        for signer in _signers(corpus):
            keys = {name: f"{name} {signer} {options.exclude_label} {seed}" for name in BASELINES}
            if all(key in results for key in keys.values()):
                continue
            for name, scores in baselines(corpus, signer, tuple(options.exclude_label), seed=seed):
                if keys[name] not in results:
                    about = {"key": keys[name], "row": name, "group": "baselines"}
                    results.add({**about, "signer": signer, "seed": seed, **scores})


def _missing(corpus: str, options: argparse.Namespace, results: Results) -> Iterator[Trial]:
    """Yield trials without a result, ordered by seed, then row, then signer."""
    for seed in range(options.seeds):
        for row in rows():
            if row.group not in options.groups or (options.rows and row.name not in options.rows):
                continue
            for signer in _signers(corpus):
                fine_tuned = row.group in _FINE_TUNED_GROUPS
                trial = Trial(row, corpus, signer, seed, tuple(options.exclude_label), fine_tuned)
                if trial.key not in results:
                    yield trial


def _take(trials: list[Trial], options: argparse.Namespace, results: Results) -> None:
    began = time.perf_counter()
    context = get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        running = [pool.submit(trial.run) for trial in trials]
        for done, future in enumerate(as_completed(running), start=1):
            result = future.result()
            results.add(result)
            left = (time.perf_counter() - began) / done * (len(trials) - done)
            shown = {name: result[name] for name in ("row", "signer", "seed", "knn", "linear_5", "seconds")}
            print(f"{done}/{len(trials)} {shown}; {left / 3600:.1f} h left", file=sys.stderr, flush=True)


def _corpus(folder: Path, options: argparse.Namespace) -> str:
    source = options.source
    if options.synthetic:
        source = folder / "synthetic.npz"
        save_npz(generate(_SYNTHETIC), source)
    spec = ImportSpec(
        name=source.stem,
        source=str(source),
        image_width=640,
        image_height=480,
        split=SplitConfig(allow_overlap=True),
    )
    made = import_corpus(spec, folder, SilentObserver())
    return str(folder / str(made["corpus"]))


def _signers(corpus: str) -> tuple[str, ...]:
    """Return the signers that are held out in turn."""
    return PackedCorpus.open(corpus).signer_names[:_MOST_SIGNERS]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    groups = list(dict.fromkeys(row.group for row in rows()))
    parser.add_argument("results", type=Path, help="file of results, one line per trial")
    parser.add_argument("--source", type=Path, help="recordings with glosses and signers")
    parser.add_argument(
        "--synthetic", action="store_true", help="use synthetic signers instead of recordings"
    )
    parser.add_argument("--exclude-label", action="append", default=[])
    parser.add_argument("--groups", nargs="+", choices=groups, default=groups)
    parser.add_argument(
        "--rows", nargs="+", choices=[row.name for row in rows()], metavar="ROW", help="run only these rows"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--table", action="store_true", help="only print existing results")
    options = parser.parse_args()
    if not (options.table or options.synthetic or options.source):
        parser.error("give --source FILE, --synthetic or --table")
    return options


if __name__ == "__main__":
    main()
