"""Benchmark the import of raw keypoints to a packed corpus, compared with a loop over videos and frames.

    python benchmarks/importing.py

All sides start with raw COCO-WholeBody keypoints on disk and end with a packed corpus on disk.

* The loop reads one pickle per video, normalises it frame by frame (`literal_data.py`), and writes the corpus
  with signforge's writer, for a part of the videos.
* signforge reads one .npz per video, or one .npz of all videos, and also computes the source's digest.

`--before FOLDER` compares another checkout of this repository instead, such as `git worktree add FOLDER
COMMIT` makes it: each side is a process of its own, and they take turns in one run.

Process start-up is included, so several processes are only faster for large sources. A source in one file is
always read by a thread of the importing process.
"""

import argparse
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from measuring import Side, comparison, interleaved
from sides import SideProcess, serve
from synthetic_videos import RawVideo, synthetic_videos

from core.corpora import importing, writing
from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.pose.clip import Clip
from core.pose.normalise import PROFILES
from core.program.control_group import available_cores
from core.program.observer import SilentObserver

# Older checkouts have the specification elsewhere, so it is taken from the module that uses it.
ROUNDS, VIDEOS, VIDEOS_OF_LOOP = 3, 9000, 150
ROUNDS_OF_TWO, COMPARED = 7, 2000
PROFILE = PROFILES["wlasl"]
LOOP = "loop over frames"


def main() -> None:
    """Measure and print."""
    options = _options()
    if options.side:
        name, what = options.side.split(" of ")
        serve(lambda: import_of(1, options.sources / name, partial(imported, options.sources / what)))
    elif options.before:
        compare(options.before.resolve(), rounds=options.rounds)
    else:
        compare_with_loop()


def compare(before: Path, *, rounds: int) -> None:
    """Measure another checkout and this one, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(synthetic_videos(COMPARED), folder)
        for what, source in (("folder", "clips"), ("one file", "all.npz")):
            checkouts = {"before": before, "now": Path(__file__).resolve().parents[1]}
            with ExitStack() as stack:
                sides: dict[str, Side] = {
                    side: stack.enter_context(_process(folder, f"{side} of {source}", root))
                    for side, root in checkouts.items()
                }
                seconds = interleaved(sides, rounds=rounds, warm_up=1)
            print(f"\n{what}, {COMPARED} videos of 40 to 110 frames, one process, {rounds} rounds")
            print(comparison(seconds, baseline="before", amount=COMPARED, unit="clips"), flush=True)


def _process(folder: Path, name: str, root: Path) -> SideProcess:
    (folder / name.split(" of ")[0]).mkdir(exist_ok=True)
    arguments = ["--sources", str(folder)]
    return SideProcess(__file__, name, arguments=arguments, environment={"PYTHONPATH": str(root)})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark imports.")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS_OF_TWO)
    parser.add_argument("--side")
    parser.add_argument("--sources", type=Path)
    return parser.parse_args()


def compare_with_loop() -> None:
    """Measure the import beside a loop over frames, and print."""
    importing.CLIPS_WORTH_A_PROCESS = 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = written(synthetic_videos(VIDEOS), folder)
        sides = {LOOP: import_of(VIDEOS_OF_LOOP, folder, partial(looped, sources["pickles"]))}
        sides["one file"] = import_of(VIDEOS, folder, partial(imported, sources["one file"], processes=1))
        for processes in sorted({1, 2, available_cores()}):
            work = partial(imported, sources["folder"], processes=processes)
            sides[f"folder, {processes} process{'es' * (processes > 1)}"] = import_of(VIDEOS, folder, work)
        seconds = interleaved(sides, rounds=ROUNDS, warm_up=0)
    print(f"{VIDEOS} videos of 40 to 110 frames, {VIDEOS_OF_LOOP} for the loop; {ROUNDS} rounds, medians\n")
    print(comparison(seconds, baseline=LOOP, amount=1, unit="clips"))


def import_of(num_videos: int, folder: Path, work: Callable[[Path], object]) -> Side:
    """Make a side that returns the seconds per video of one import into a new folder."""

    def turn() -> float:
        out = folder / "out"
        out.mkdir()
        began = time.perf_counter()
        work(out)
        seconds = time.perf_counter() - began
        shutil.rmtree(out)
        return seconds / num_videos

    return turn


def written(videos: list[RawVideo], folder: Path) -> dict[str, Path]:
    """Write the videos in three formats: one pickle each, one .npz each, one .npz of all."""
    (folder / "pickles").mkdir()
    for number, (keypoints, width, height) in enumerate(videos):
        pickled = folder / "pickles" / f"{number:05d}.pickle"
        pickled.write_bytes(pickle.dumps((keypoints, width, height)))
        path = folder / "clips" / f"sign{number % 100}" / f"{number:05d}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, keypoints=keypoints, width=width, height=height)
    np.savez(
        folder / "all.npz",
        keypoints=np.concatenate([keypoints for keypoints, _, _ in videos]),
        offsets=np.cumsum([0, *(len(keypoints) for keypoints, _, _ in videos)]),
        width=videos[0][1],
        height=videos[0][2],
    )
    return {"pickles": folder / "pickles", "folder": folder / "clips", "one file": folder / "all.npz"}


def looped(pickles: Path, out: Path) -> PackedCorpus:
    files = sorted(pickles.iterdir())[:VIDEOS_OF_LOOP]
    return writing.write_corpus(
        out / "corpus", frame_by_frame(files), name="loop", split=writing.SplitConfig(), provenance={}
    )


def frame_by_frame(files: Sequence[Path]) -> Iterator[SourceClip]:
    from literal_data import (
        Video,
        normalised_frame_by_frame,
    )  # imports torch, which reader processes do not need

    for file in files:
        video = Video(*pickle.loads(file.read_bytes()))  # noqa: S301 - our own file
        points, visible, _ = normalised_frame_by_frame(video, PROFILE)
        yield SourceClip(Clip.of(points, visible), name=file.stem)


def imported(source: Path, out: Path, *, processes: int = 1) -> dict[str, object]:
    spec = importing.ImportSpec(name="benchmark", source=str(source))
    return importing.import_corpus(spec, out, SilentObserver(), processes=processes)


if __name__ == "__main__":
    sys.exit(main())
