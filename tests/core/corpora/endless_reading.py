"""A program that never stops reading: for the test that kills it. Prints its processes' ids."""

import multiprocessing
import sys
from collections.abc import Iterator
from itertools import repeat

import numpy as np

from core.corpora.readers.raw_clip import OpenedSource, RawClip, RawClips
from core.corpora.reading import read_clips
from core.corpora.source import ReadReport
from core.pose.normalise import PROFILES


def endless(num_frames: int = 2) -> OpenedSource:
    keypoints = np.full((num_frames, 133, 3), 0.9)
    keypoints[:, :, :2] = np.linspace(200, 300, 133)[:, None]
    piece = RawClips((RawClip.of(keypoints, (640, 480), "again"),))
    return OpenedSource("endless", 0, repeat(piece), PROFILES["wlasl"], ReadReport(), separate_files=True)


def main() -> Iterator[None]:
    for _ in read_clips(endless(), processes=2):
        ids = (process.pid for process in multiprocessing.active_children())
        sys.stdout.write(" ".join(map(str, ids)) + "\n")
        sys.stdout.flush()
        yield


if __name__ == "__main__":
    for _ in main():
        sys.stdin.readline()  # until killed
