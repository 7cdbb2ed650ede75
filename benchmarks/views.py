"""Benchmark making two augmented views of a batch: batched from a packed corpus, compared with a data loader.

    python benchmarks/views.py

All sides crop, resize, augment and swap with the same probabilities, at the size of `stc`, on one thread,
with the allocator settings of training:

* signforge, from the memory-mapped corpus to both views, in plain torch and with the native kernel;
* a literal loader, from raw keypoints in one file per video (`literal_data.py`);
* the same loader with all clips normalised and in memory.

In each round, all sides make batches for about the same time.
"""

import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from literal_data import LiteralLoader, Sample, collated, one_view
from measuring import Side, comparison, interleaved
from synthetic_videos import RawVideo, synthetic_videos

from core.augment.draws import draw_numbers
from core.augment.views import ClipBatch, View, make_views
from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.errors import KernelError
from core.kernels.library import NativeLibrary, native_library
from core.pose.normalise import PROFILES, normalise
from core.program.allocator import tuned_environment
from core.specs.import_jobs import SplitConfig
from core.specs.views import ViewConfig

BATCH, ROUNDS, VIDEOS = 64, 9, 256
FROM_FILES, FROM_MEMORY = "literal, raw files", "literal, normalised clips"
CONFIG, PROFILE = ViewConfig(), PROFILES["wlasl"]
CPU = torch.device("cpu")


def main() -> None:
    """Measure and print."""
    if tuned := tuned_environment():  # read by the C library at process start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **tuned})  # noqa: S606
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        videos = synthetic_videos(VIDEOS)
        corpus = packed(videos, Path(folder) / "corpus")
        loader = LiteralLoader(saved(videos, Path(folder)), PROFILE, CONFIG)
        sides = {
            FROM_FILES: batches_of(loader.batch, 1),
            FROM_MEMORY: batches_of(normalised_side(corpus), 6),
            "packed corpus, plain torch": batches_of(batched_side(corpus, None), 100),
        }
        with suppress(KernelError):
            native = native_library()
            sides["packed corpus, native kernel"] = batches_of(batched_side(corpus, native), 150)
        seconds = interleaved(sides, rounds=ROUNDS)
    print(f"two views a clip, batches of {BATCH}, one thread, {ROUNDS} rounds, medians\n")
    for baseline in (FROM_FILES, FROM_MEMORY):
        print(comparison(seconds, baseline=baseline, amount=BATCH, unit="clips"), end="\n\n")


def batches_of(side: Callable[[np.ndarray], object], num_batches: int) -> Side:
    """Make a side that returns the mean seconds of several batches of random clips."""
    random = np.random.default_rng(0)

    def turn() -> float:
        batches = random.integers(0, VIDEOS, (num_batches, BATCH))
        began = time.perf_counter()
        for chosen in batches:
            side(chosen)
        return (time.perf_counter() - began) / num_batches

    return turn


def packed(videos: list[RawVideo], path: Path) -> PackedCorpus:
    clips = (
        SourceClip(normalise(keypoints, width=width, height=height, profile=PROFILE).clip, name=str(number))
        for number, (keypoints, width, height) in enumerate(videos)
    )
    return write_corpus(path, clips, name="synthetic", split=SplitConfig(), provenance={})


def saved(videos: list[RawVideo], folder: Path) -> list[Path]:
    files = [folder / f"{number}.pickle" for number in range(len(videos))]
    for video, file in zip(videos, files, strict=True):
        file.write_bytes(pickle.dumps(video))
    return files


def batched_side(
    corpus: PackedCorpus, native: NativeLibrary | None
) -> Callable[[np.ndarray], tuple[View, ...]]:
    generator = torch.Generator()

    def views(chosen: np.ndarray) -> tuple[View, ...]:
        batch = ClipBatch.of(corpus.gather(chosen, max_frames=CONFIG.max_source_frames), CPU)
        draws = [draw_numbers(batch.lengths, CONFIG, generator) for _ in range(2)]
        return make_views(batch, draws, CONFIG, native=native)

    return views


def normalised_side(corpus: PackedCorpus) -> Callable[[np.ndarray], list[Sample]]:
    random = np.random.default_rng(0)
    clips = [corpus.clip(index) for index in range(len(corpus))]

    def views(chosen: np.ndarray) -> list[Sample]:
        return collated(
            [[one_view(clips[i].points, clips[i].visible, CONFIG, random) for _ in range(2)] for i in chosen]
        )

    return views


if __name__ == "__main__":
    sys.exit(main())
