"""Two views of each clip from a packed corpus, batched, against a loop over clips in NumPy.

    python benchmarks/views.py

Both sides crop, resize, augment and swap with the same odds, at the `stc` size, on one thread, interleaved.
Prints the median of each and the median of the pairwise ratios.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from core.augment.views import ClipBatch, draw_view
from core.config import ViewConfig
from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.pose.clip import Clip
from core.specs import SplitConfig

BATCH, ROUNDS, CLIPS = 64, 15, 512
CONFIG = ViewConfig()


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_corpus(Path(folder) / "corpus")
        chosen = [np.random.default_rng(i).integers(0, CLIPS, BATCH) for i in range(ROUNDS)]
        batched(corpus, chosen[0])
        pairs = [(timed(batched, corpus, each), timed(looped, corpus, each)) for each in chosen]
    ours, loop = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"batched  {BATCH / ours:8.0f} clips/s")
    print(f"loop     {BATCH / loop:8.0f} clips/s")
    print(f"ratio    {ratio:8.1f}   (median of {ROUNDS} interleaved pairs, two views a clip, one thread)")


def make_corpus(path: Path) -> PackedCorpus:
    random = np.random.default_rng(0)
    clips = (
        SourceClip(Clip.of(random.random((int(random.integers(30, 120)), 49, 2))), name=str(number))
        for number in range(CLIPS)
    )
    return write_corpus(path, clips, name="random", split=SplitConfig(), provenance={})


def timed(
    side: Callable[[PackedCorpus, np.ndarray], object], corpus: PackedCorpus, chosen: np.ndarray
) -> float:
    began = time.perf_counter()
    side(corpus, chosen)
    return time.perf_counter() - began


def batched(corpus: PackedCorpus, chosen: np.ndarray) -> list[torch.Tensor]:
    batch = ClipBatch.of(corpus.gather(chosen, max_frames=CONFIG.max_source_frames), torch.device("cpu"))
    return [draw_view(batch, CONFIG, torch.Generator().manual_seed(view)).points for view in range(2)]


def looped(corpus: PackedCorpus, chosen: np.ndarray) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    clips = [corpus.clip(int(index)).points for index in chosen]
    return [np.stack([one_view(clip, random) for clip in clips]) for _ in range(2)]


def one_view(clip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A view as a data loader makes it, frame by frame."""
    frames = min(len(clip), CONFIG.max_source_frames)
    length = min(max(int(frames * random.uniform(0.1, 1)), CONFIG.min_crop_frames), frames)
    start = random.integers(0, frames - length + 1)
    view = np.empty((CONFIG.num_frames, 49, 2), dtype=np.float32)
    for i in range(CONFIG.num_frames):
        place = min(max((i + 0.5) * length / CONFIG.num_frames - 0.5, 0), length - 1)
        low = int(place)
        share = place - low
        view[i] = clip[start + low] * (1 - share) + clip[start + min(low + 1, length - 1)] * share
    if random.random() < 0.5:
        joints = random.permutation(49)[:25]
        matrix = np.zeros((2, 2)) if random.random() < 0.5 else random.uniform(-1, 1, (2, 2))
        view[:, joints] = view[:, joints] @ matrix.T
    else:
        view = view @ np.array([[1, random.uniform(-1, 1)], [random.uniform(-1, 1), 1]]).T
    if random.random() < 0.5:
        view = np.concatenate([view[:, 21:42], view[:, :21], view[:, 42:]], axis=1)
    return view.astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
