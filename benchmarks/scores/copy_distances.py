"""Measure distances of near-duplicate clips and of other takes, to choose the leak audit's threshold.

    echo '{"kind": "import", "name": "signs", "source": "../shared/data/signs/signs.npz",
           "image_width": 640, "image_height": 480}' > import.json
    python -m core.corpora.importing --spec import.json --out signs
    python benchmarks/scores/copy_distances.py signs/corpus

Takes the folder of a packed corpus with named signers. Copies are made from random clips of it (`--seed`).
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.evaluation.leak_audit.alignment import masked_points, mirrored
from core.evaluation.leak_audit.copies import Copy, MiddleFrames, near_copies
from core.pose.clip import Clip
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import LeakAuditSpec

ANY_DISTANCE = 10.0
MIN_FRAMES = 20
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", type=Path, help="folder of a packed corpus")
    parser.add_argument("--num-copies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    corpus, random = PackedCorpus.open(options.corpus), np.random.default_rng(options.seed)
    long = np.flatnonzero(corpus.lengths >= MIN_FRAMES)
    sources = np.sort(random.choice(long, min(options.num_copies, len(long)), replace=False))
    threshold = LeakAuditSpec(corpus="any").copy_distance
    table = Table("", "clips", "nearest", "median", "99 %", "farthest", f"within {threshold}")
    for name, change in CHANGES.items():
        table.add_row(name, *row(of_copies(corpus, sources, change, random), len(sources), threshold))
    for name, distances in of_takes(corpus).items():
        table.add_row(name, *row(distances, len(distances), threshold))
    Console(width=120).print(table)


def noise(deviation: float) -> Change:
    return lambda points, random: np.where(
        points != 0, points + deviation * random.normal(size=points.shape), 0
    )


def at_rate(factor: float) -> Change:
    """Resample to `factor` times the frames linearly; points with a missing neighbour are missing."""

    def change(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
        moments = np.linspace(0, len(points) - 1, round(len(points) * factor))
        before = np.floor(moments).astype(int)
        after = np.minimum(before + 1, len(points) - 1)
        share = (moments - before)[:, None, None]
        mixed = points[before] * (1 - share) + points[after] * share
        return np.where((points[before] != 0) & (points[after] != 0), mixed, 0)

    return change


def in_a_mirror(points: np.ndarray) -> np.ndarray:
    return mirrored(masked_points(points)).points


CHANGES: Mapping[str, Change] = {
    "noise 0.002": noise(0.002),
    "noise 0.005": noise(0.005),
    "noise 0.01": noise(0.01),
    "scaled by 1.1": lambda points, random: points * 1.1,
    "two frames later": lambda points, random: points[2:],
    "five frames off each end": lambda points, random: points[5:-5],
    "noise 0.003, scaled, two frames later": lambda points, random: noise(0.003)(points * 1.1, random)[2:],
    "25 frames for 30": at_rate(25 / 30),
    "45 frames for 30": at_rate(1.5),
    "mirrored": lambda points, random: in_a_mirror(points),
    "mirrored, noise 0.003, scaled, two frames later": lambda points, random: noise(0.003)(
        in_a_mirror(points) * 1.1, random
    )[2:],
    "15 frames for 30": at_rate(0.5),
    "10 frames of 30, from the middle": lambda points, random: points[10:20],
    "backwards": lambda points, random: points[::-1],
}


def of_copies(
    corpus: PackedCorpus, sources: np.ndarray, change: Change, random: np.random.Generator
) -> np.ndarray:
    """Return distances of changed copies to their source, for copies whose nearest clip is the source."""
    with tempfile.TemporaryDirectory() as folder:
        clips = [corpus.clip(index) for index in range(len(corpus))]
        clips += [Clip.of(change(corpus.clip(index).points, random)) for index in sources.tolist()]
        made = (SourceClip(clip=clip, name=str(number)) for number, clip in enumerate(clips))
        changed = write_corpus(
            Path(folder) / "corpus", made, name="copies", split=SplitConfig(), provenance={}
        )
        found = nearest_of(changed, np.arange(len(corpus), len(changed)), np.arange(len(corpus)))
    return np.array([copy.distance for copy in found if copy.source == sources[copy.clip - len(corpus)]])


def of_takes(corpus: PackedCorpus) -> dict[str, np.ndarray]:
    """Return distances to the nearest clip of the same signer and of other signers; infinite if not found.

    For the same signer, each half of the takes is compared with the other half.
    """
    own, others = [], []
    for signer in range(len(corpus.signer_names)):
        mine, rest = np.flatnonzero(corpus.signers == signer), np.flatnonzero(corpus.signers != signer)
        halves = mine[::2], mine[1::2]
        own += [*distances_of(corpus, *halves), *distances_of(corpus, *halves[::-1])]
        others += distances_of(corpus, mine, rest)
    return {"another take, same signer": np.array(own), "a clip of another signer": np.array(others)}


def distances_of(corpus: PackedCorpus, clips: np.ndarray, sources: np.ndarray) -> list[float]:
    found = {copy.clip: copy.distance for copy in nearest_of(corpus, clips, sources)}
    return [found.get(clip, float("inf")) for clip in clips.tolist()]


def nearest_of(corpus: PackedCorpus, clips: np.ndarray, sources: np.ndarray) -> list[Copy]:
    frames = MiddleFrames.of(corpus, np.concatenate([clips, sources]))
    return near_copies(corpus, clips, sources, frames=frames, threshold=ANY_DISTANCE)


def row(distances: np.ndarray, num_clips: int, threshold: float) -> list[str]:
    """Return quantiles over all clips; clips that were not found have an infinite distance."""
    known = np.concatenate([distances, np.full(num_clips - len(distances), np.inf)])
    quantiles = np.quantile(known, [0, 0.5, 0.99, 1], method="higher")
    within = f"{(known <= threshold).mean():.3f}"
    return [str(num_clips), *(f"{value:.3f}" for value in quantiles), within]


if __name__ == "__main__":
    main()
