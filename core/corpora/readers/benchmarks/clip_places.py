"""Find the pose file, or the folder of frames, of each clip in a benchmark's lists."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from core.corpora.readers.benchmarks.listed_clips import ListedClip, skip_without_pose
from core.corpora.source import ReadReport
from core.errors import CorpusError

_MOST_PARTS = 4
_FRAME_SUFFIXES = (".json", ".npy")
"""Endings of files that may be single frames; their folder is then the clip."""
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
_NO_POSES = (*_VIDEOS, ".txt", ".csv", ".md", ".jpg", ".png", ".zip", "")
_POSES = (*_FRAME_SUFFIXES, ".npz", ".pkl", ".pickle", ".pose", ".parquet")
_NAMED = 3

Found = tuple[ListedClip, Path]
_Key = tuple[str, ...]


def match_pose_files(
    clips: Sequence[ListedClip],
    wanted: Iterable[ListedClip],
    folder: Path,
    files: Iterable[Path],
    report: ReadReport,
) -> list[Found]:
    """Return the wanted clips with their pose file among `files`; clips without one are skipped and counted.

    A clip's file has the name of one of its `places`, with any ending. Leading folders may be missing, the
    same number for all clips. Pose files of unlisted clips are noted in the report.

    Raises:
        CorpusError: no clip has a pose file, or a wanted clip has several.
    """
    wanted = set(wanted)
    keys = {path: _key(path.relative_to(folder)) for path in _candidates(folder, files)}
    place, dropped, paths = max(_search_variants(clips, keys), key=lambda way: sum(map(bool, way[2])))
    if not any(paths):
        raise CorpusError(_none_found(clips, folder, keys))
    found = []
    for clip, every in zip(clips, paths, strict=True):
        if clip not in wanted:
            continue
        wanted.remove(clip)  # a list may have the clip twice
        choices = _without_own_frames(every)
        if len(choices) > 1:
            raise CorpusError(
                f"{choices[0]} and {choices[1]} both match clip {clip.name!r}. Remove or rename one of them."
            )
        if choices:
            found.append((clip, choices[0]))
        else:
            looked_for = "/".join(_key(PurePath(clip.places[place]))[dropped:])
            skip_without_pose(clip, f"no pose file {looked_for}", report)
    _note_unlisted({path for choices in paths for path in choices}, folder, keys, report)
    return found


def frame_files(folder: Path) -> tuple[Path, ...]:
    """List the frame files of a clip's folder."""
    return tuple(
        path for path in sorted(folder.iterdir()) if path.suffix in _FRAME_SUFFIXES and path.is_file()
    )


def note_unlisted(names: Sequence[str], report: ReadReport) -> None:
    """Report keypoints that belong to no listed clip."""
    if names:
        report.note(
            f"{len(names)} poses belong to no listed clip and were not read (for example "
            f"{', '.join(names[:_NAMED])})."
        )


def _search_variants(
    clips: Sequence[ListedClip], keys: dict[Path, _Key]
) -> Iterable[tuple[int, int, list[Sequence[Path]]]]:
    """Yield each way to search: index into `places`, number of dropped leading folders, and files found."""
    index: dict[_Key, list[Path]] = {}
    for path, key in keys.items():
        for start in range(max(0, len(key) - _MOST_PARTS), len(key)):
            index.setdefault(key[start:], []).append(path)
    for place in range(min(len(clip.places) for clip in clips)):
        wanted = [_key(PurePath(clip.places[place])) for clip in clips]
        for dropped in range(min(len(key) for key in wanted)):
            short = [key[dropped:] for key in wanted]
            if len(set(short)) == len(set(wanted)):
                yield place, dropped, [index.get(key, ()) for key in short]


def _without_own_frames(choices: Sequence[Path]) -> list[Path]:
    """Remove frame files in a folder that is a choice itself: they are frames of that clip."""
    return [path for path in choices if path.suffix not in _FRAME_SUFFIXES or path.parent not in choices]


def _candidates(folder: Path, files: Iterable[Path]) -> Iterable[Path]:
    """Yield files that may hold a clip, and folders whose frames may be a clip."""
    folders: dict[Path, None] = {}
    for path in files:
        if path.suffix.lower() in _NO_POSES:
            continue
        yield path
        if path.suffix in _FRAME_SUFFIXES and path.parent != folder:
            folders[path.parent] = None
    yield from folders


def _key(path: PurePath) -> _Key:
    """Return a path's parts without endings of pose files and videos, so that a/b.mp4 matches a/b.pkl."""
    name = path.name
    for suffix in (*_POSES, *_VIDEOS):
        name = name.removesuffix(suffix)
    return (*(part for part in path.parts[:-1] if part not in ("/", ".")), name)


def _note_unlisted(used: set[Path], folder: Path, keys: dict[Path, _Key], report: ReadReport) -> None:
    unlisted = [
        str(path.relative_to(folder))
        for path in keys
        if not used & {path, path.parent} and path.suffix not in (*_FRAME_SUFFIXES, "")
    ]
    note_unlisted(unlisted, report)


def _none_found(clips: Sequence[ListedClip], folder: Path, keys: dict[Path, _Key]) -> str:
    looked_for = " or ".join(clips[0].places) if clips else "nothing"
    there = ", ".join(str(path.relative_to(folder)) for path in list(keys)[:_NAMED]) or "none"
    return (
        f"None of the {len(clips)} listed clips has a pose file below {folder}. Searched for {looked_for}, "
        f"with any ending. The pose files there are {there}."
    )
