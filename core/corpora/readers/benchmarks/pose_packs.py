"""Reader of a pickle without lists: one clip, or a dict of many by their names."""

from pathlib import Path

from core.corpora.readers.benchmarks import nla_slr
from core.corpora.readers.benchmarks.pose_pickle import FORMAT, KEYPOINTS, pose_of
from core.corpora.readers.raw_clip import RawClips, ReadOptions, Source
from core.corpora.readers.safe_pickle import is_pickle, load_pickle
from core.corpora.source import ReadReport


def is_pack(path: Path) -> bool:
    """Whether a file is a pickle of many clips."""
    return is_pickle(path) and _is_table(load_pickle(path))


def open_file(path: Path, options: ReadOptions, report: ReadReport) -> Source:
    """A pickle of one clip, or of a pack such as NLA-SLR's.

    Raises:
        CorpusError: damaged, not plain values, or no keypoints.
    """
    value = load_pickle(path)
    if isinstance(value, dict) and _is_table(value):
        return nla_slr.open_pack(path, value, options, report)
    raw = pose_of(value, path, report).as_clip(path.stem, options, report)
    return Source(FORMAT, 1, [RawClips((raw,))], options.profile, report)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and KEYPOINTS not in value
