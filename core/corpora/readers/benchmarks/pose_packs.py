"""Reader of a pickle without lists: one clip, or a dict of many by their names."""

import itertools
from pathlib import Path
from typing import TypeGuard

from core.corpora.readers.benchmarks import nla_slr
from core.corpora.readers.formats.pose_pickle import FORMAT, KEYPOINTS, pose_of
from core.corpora.readers.raw_clip import OpenedSource, RawClips, ReadOptions
from core.corpora.readers.untrusted.safe_pickle import load_pickle
from core.corpora.source import ReadReport
from core.errors import CorpusError

_LOOKED_AT = 20
"""Values of a dict of which one must be a clip's keypoints, if it is a pack."""


def holds_many(path: Path) -> bool:
    """Whether a pickle holds many clips by their names; False where it holds one.

    Raises:
        CorpusError: damaged, not plain values, or no keypoints.
    """
    value = load_pickle(path)
    if _is_table(value, path):
        return True
    pose_of(value, path, ReadReport())
    return False


def open_file(path: Path, options: ReadOptions, report: ReadReport) -> OpenedSource:
    """A pickle of one clip, or of a pack such as NLA-SLR's.

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
    fault: object = "there is none"
    for pose in itertools.islice(value.values(), _LOOKED_AT):
        try:
            pose_of(pose, path, ReadReport())
        except CorpusError as error:
            fault = error
        else:
            return True
    raise CorpusError(
        f"{path} is a dict without {KEYPOINTS!r}, and none of its first values is a clip: {fault}"
    )
