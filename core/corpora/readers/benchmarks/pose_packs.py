"""Reader of a pickle without lists: one clip, or a dict of many clips by name."""

import itertools
from pathlib import Path
from typing import TypeGuard

from core.corpora.readers.benchmarks import nla_slr
from core.corpora.readers.formats.pose_pickle import FORMAT, KEYPOINTS, pose_of
from core.corpora.readers.raw_clip import OpenedSource, RawClips, ReadOptions
from core.corpora.readers.untrusted.safe_pickle import load_pickle
from core.corpora.source import ReadReport
from core.errors import CorpusError

_MAX_INSPECTED = 20
"""Number of first values of a dict; one must be a clip's keypoints if the dict is a pack."""


def holds_many(path: Path) -> bool:
    """Whether a pickle holds many clips by name; False if it holds one clip.

    Raises:
        CorpusError: damaged, not plain values, or no keypoints.
    """
    value = load_pickle(path)
    if _is_table(value, path):
        return True
    pose_of(value, path, ReadReport())
    return False


def open_file(path: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """Open a pickle of one clip, or of a pack such as NLA-SLR's.

    Raises:
        CorpusError: damaged, not plain values, or no keypoints.
    """
    value = load_pickle(path)
    if _is_table(value, path):
        return nla_slr.open_pack(path, value, options, report)
    raw = pose_of(value, path, report).as_clip(path.stem, options, report)
    return OpenedSource(FORMAT, 1, [RawClips((raw,))], options.profile, report)


def _is_table(value: object, path: Path) -> TypeGuard[dict[object, object]]:
    if not isinstance(value, dict) or KEYPOINTS in value:
        return False
    fault: object = "it is empty"
    for pose in itertools.islice(value.values(), _MAX_INSPECTED):
        try:
            pose_of(pose, path, ReadReport())
        except CorpusError as error:
            fault = error
        else:
            return True
    raise CorpusError(
        f"{path} is a dict without {KEYPOINTS!r}, and none of its first {_MAX_INSPECTED} values is a clip: "
        f"{fault}"
    )
