"""Reader of WLASL's official annotations, `WLASL_v0.3.json` and `nslt_<classes>.json`, beside pose files.

A pose file has the name of its video: `69241.npz` for the video 69241.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from core.corpora.readers.benchmarks.annotations import NSLT, WLASL, NsltEntry, WlaslGloss, read_annotations
from core.corpora.readers.benchmarks.clips import open_listed
from core.corpora.readers.benchmarks.listed_clips import ListedClip, numbered_label
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.corpora.split_names import canonical_split_name
from core.errors import CorpusError
from core.pose.normalise import PROFILES

FORMAT: Final = "wlasl"

_GLOSSES = re.compile(r"WLASL_v.*\.json")
_SUBSET = re.compile(r"nslt_(\d+).*\.json")
_NAMED = 3
_LIST = "WLASL's list of glosses"


def is_layout(files: Sequence[Path]) -> bool:
    """Whether a folder has WLASL's annotation files."""
    return any(_GLOSSES.fullmatch(path.name) or _SUBSET.fullmatch(path.name) for path in files)


def open_folder(
    folder: Path, files: Sequence[Path], options: ReadOptions, report: ReadReport
) -> OpenedSource:
    """Open the annotated clips; clips without a pose file are skipped and counted.

    Raises:
        CorpusError: invalid annotations, several files of the same annotations, or no pose file at all.
    """
    subset_file = _subset_file(files, options.benchmark.classes)
    gloss_files = [path for path in files if _GLOSSES.fullmatch(path.name)]
    if len(gloss_files) > 1:
        raise CorpusError(f"{gloss_files[0]} and {gloss_files[1]} are both WLASL's annotations. Keep one.")
    glosses = read_annotations(gloss_files[0], WLASL) if gloss_files else []
    if subset_file is None:
        clips = _all_clips(glosses)
    else:
        subset = read_annotations(subset_file, NSLT)
        names = _class_names(subset, glosses)
        clips = _clips_of_subset(subset, glosses, names)
        _note_mismatch(subset, glosses, names, subset_file.name, report)
    options = options if options.profile_is_stated else replace(options, profile=PROFILES[FORMAT])
    return open_listed(
        FORMAT, clips, folder, [path for path in files if path.suffix != ".txt"], options, report
    )


def _subset_file(files: Sequence[Path], num_classes: int | None) -> Path | None:
    """Return the list with `num_classes` classes or the next larger number; without a number, the largest."""
    sizes = {int(found[1]): path for path in files if (found := _SUBSET.fullmatch(path.name))}
    fitting = [size for size in sizes if num_classes is not None and size >= num_classes]
    return sizes[min(fitting) if fitting else max(sizes)] if sizes else None


def _all_clips(glosses: Sequence[WlaslGloss]) -> list[ListedClip]:
    return [
        _listed(instance.video_id, instance.split, number, gloss.gloss, instance.signer_id)
        for number, gloss in enumerate(glosses)
        for instance in gloss.instances
    ]


def _class_names(subset: Mapping[str, NsltEntry], glosses: Sequence[WlaslGloss]) -> dict[int, str]:
    """Return the gloss of each class: that of most of its videos, whatever the order of the list is.

    A class none of whose videos is listed has the gloss at its place, if the places of the others agree.
    """
    listed = {video.video_id: gloss.gloss for gloss in glosses for video in gloss.instances}
    votes: dict[int, Counter[str]] = defaultdict(Counter)
    for video_id, entry in subset.items():
        votes[entry.action[0]].update([listed[video_id]] if video_id in listed else [])
    names = {number: each.most_common(1)[0][0] for number, each in votes.items() if each}
    agree = all(number < len(glosses) and glosses[number].gloss == name for number, name in names.items())
    places = {number: glosses[number].gloss for number in votes if agree and number < len(glosses)}
    return places | names


def _clips_of_subset(
    subset: Mapping[str, NsltEntry], glosses: Sequence[WlaslGloss], names: Mapping[int, str]
) -> list[ListedClip]:
    signers = {video.video_id: video.signer_id for gloss in glosses for video in gloss.instances}
    clips = []
    for video_id, entry in subset.items():
        number = entry.action[0]
        label = names.get(number) or numbered_label(number)
        clips.append(_listed(video_id, entry.subset, number, label, signers.get(video_id)))
    return clips


def _listed(video_id: str, split: str, number: int, label: str, signer: int | None) -> ListedClip:
    return ListedClip(
        name=video_id,
        places=(video_id,),
        split=canonical_split_name(split),
        class_index=number,
        label=label,
        signer=None if signer is None else str(signer),
    )


def _note_mismatch(
    subset: Mapping[str, NsltEntry],
    glosses: Sequence[WlaslGloss],
    names: Mapping[int, str],
    name: str,
    report: ReadReport,
) -> None:
    """Report the videos on which the subset `name` and the list of glosses disagree."""
    if not glosses:
        report.note(f"{name} has no glosses and signers. To import them, add WLASL_v0.3.json beside it.")
        return
    known = {
        video.video_id: (gloss.gloss, canonical_split_name(video.split))
        for gloss in glosses
        for video in gloss.instances
    }
    said = {
        video: (names.get(entry.action[0]), canonical_split_name(entry.subset))
        for video, entry in subset.items()
    }
    classes = {gloss for gloss, _ in said.values()}
    if any(number >= len(glosses) or glosses[number].gloss != gloss for number, gloss in names.items()):
        report.note(
            f"The classes of {name} are not numbered in the order of {_LIST}. Each has the gloss of most of "
            "its videos."
        )
    both = said.keys() & known.keys()
    without_gloss = said.keys() - both
    left_out = {video for video in known.keys() - both if known[video][0] in classes}
    other_class = {video for video in both if said[video][0] != known[video][0]}
    other_split = {video for video in both if said[video][1] != known[video][1]}
    of_both = f"in {name} than in {_LIST}"
    _note_videos(without_gloss, f"of {name} are not in {_LIST}", "their signers are unknown", report)
    _note_videos(
        left_out, f"of {_LIST} are not in {name}, which has their classes", "they were skipped", report
    )
    _note_videos(other_class, f"have another class {of_both}", f"the class in {name} was used", report)
    _note_videos(other_split, f"have another split {of_both}", f"the split in {name} was used", report)


def _note_videos(videos: set[str], what: str, consequence: str, report: ReadReport) -> None:
    if videos:
        few = ", ".join(sorted(videos)[:_NAMED])
        report.note(f"{len(videos)} videos {what} (for example {few}): {consequence}.")
