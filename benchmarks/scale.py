"""Benchmark scaling with corpus size: opening, memory, batches, training steps, selection, kNN.

    python benchmarks/scale.py                      # 1 thousand to 1 million clips
    python benchmarks/scale.py --clips 1000 10000   # quicker

Writes packed corpora of synthetic clips of 8 frames (3.5 GB for a million clips) below TMPDIR, all at the
same time, and removes them. A size is skipped with a message if less than twice its space is free. Prints
medians, on one thread. Sizes alternate, so "x smallest" is a ratio within one run.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from measuring import Side, Spread, interleaved, table, timed
from short_run import step_seconds
from sides import resident_bytes
from synthetic_corpus import CLIP_BYTES, GLOSSES, synthetic_corpus

from core.augment.draws import draw_numbers
from core.augment.views import ClipBatch, View, make_views
from core.corpora.packed import PackedCorpus
from core.search.knn import knn_scores
from core.specs.jobs import ClipSelection
from core.specs.views import ViewConfig

BATCH, QUERIES, WIDTH, STEPS = 64, 1000, 384, 25
"""Clips of a batch; kNN queries, and width of features (that of `smoke`); steps of a run."""
CHOSEN = ClipSelection(splits=("train",), exclude_labels=("gloss-0007",))


def main() -> None:
    """Write the corpora, then measure each operation on all of them."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="signforge-scale-") as folder, ExitStack() as stack:
        sizes = sorted(clips for clips in set(arguments().clips) if has_room(Path(folder), clips))
        paths = {clips: stack.enter_context(synthetic_corpus(Path(folder), clips)) for clips in sizes}
        grown = {clips: memory_of_opening(path) for clips, path in paths.items()}
        corpora = {clips: PackedCorpus.open(path) for clips, path in paths.items()}
        print_row("resident memory of opening, KiB", {clips: grown[clips] / 1024 for clips in sizes})
        measure("open, ms", {c: timed(lambda p=p: PackedCorpus.open(p)) for c, p in paths.items()}, 21)
        measure("two views of 64 clips, ms", {c: views_of(each) for c, each in corpora.items()}, 21)
        measure("select, ms", {c: timed(lambda e=e: e.select(CHOSEN)) for c, e in corpora.items()}, 5)
        ends = {clips: paths[clips] for clips in {sizes[0], sizes[-1]}}
        measure("training step (smoke), ms", {c: step_of(path) for c, path in ends.items()}, 3)
        measure(f"kNN of {QUERIES} queries, ms", {clips: neighbours_of(clips) for clips in sizes}, 1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    return parser.parse_args()


def has_room(folder: Path, clips: int) -> bool:
    needed, free = 2 * clips * CLIP_BYTES, shutil.disk_usage(folder).free
    if needed > free:
        print(f"{clips} clips skipped: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free in TMPDIR")
    return needed <= free


def measure(what: str, sides: Mapping[int, Side], rounds: int) -> None:
    """Measure the sizes in alternation; print medians in milliseconds and ratios to the smallest size."""
    seconds = interleaved(sides, rounds=rounds, warm_up=int(rounds > 1))
    smallest = seconds[min(seconds)]
    ratios = {
        clips: Spread.of([mine / least for mine, least in zip(taken, smallest, strict=True)])
        for clips, taken in seconds.items()
    }
    print_row(what, {clips: 1e3 * statistics.median(taken) for clips, taken in seconds.items()}, ratios)


def print_row(what: str, values: Mapping[int, float], ratios: Mapping[int, Spread] | None = None) -> None:
    rows = [
        [f"{clips}", f"{value:.3g}", f"{ratios[clips].median:.2f}" if ratios else ""]
        for clips, value in sorted(values.items())
    ]
    print(table(["clips", what, "x smallest" if ratios else ""], rows), end="\n\n", flush=True)


def memory_of_opening(path: Path) -> int:
    before = resident_bytes()
    corpus = PackedCorpus.open(path)
    grown = resident_bytes() - before
    assert len(corpus)
    return grown


def views_of(corpus: PackedCorpus) -> Side:
    """Make a side for a step's input: gather random clips of the corpus and make both views."""
    random = np.random.default_rng(0)

    def two_views() -> tuple[View, ...]:
        batch = ClipBatch.of(corpus.gather(random.integers(0, len(corpus), BATCH)), torch.device("cpu"))
        generators = (torch.Generator().manual_seed(seed) for seed in range(2))
        draws = [draw_numbers(batch.lengths, ViewConfig(), generator) for generator in generators]
        return make_views(batch, draws, ViewConfig())

    return timed(two_views)


def neighbours_of(clips: int) -> Side:
    """Make a side for kNN among features of all clips; making the features is not timed."""

    def search() -> float:
        generator = torch.Generator().manual_seed(0)
        train, test = (torch.randn(count, WIDTH, generator=generator) for count in (clips, QUERIES))
        labels = torch.arange(clips) % GLOSSES
        settings = {"num_classes": GLOSSES, "num_neighbours": 20, "temperature": 0.07}
        return timed(lambda: knn_scores(train, labels, test, **settings))()

    return search


def step_of(path: Path) -> Side:
    return lambda: step_seconds(path, recipe="smoke", batch_size=BATCH, steps=STEPS, skip=3)


if __name__ == "__main__":
    sys.exit(main())
