"""Reader of MMPose's COCO-WholeBody predictions in JSON, one file per clip. See docs/reference/formats.md."""

from collections.abc import Hashable
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from core.corpora.readers.checks.people import OnePerson
from core.corpora.readers.checks.pixels import check_pixels, stated_size
from core.corpora.readers.clip_files import ClipFiles, ClipFormat
from core.corpora.readers.frame_order import objects_in_order
from core.corpora.readers.raw_clip import RawClip, ReadOptions
from core.corpora.readers.scores import SCORES, with_scores
from core.corpora.readers.untrusted.clip_size import check_frames, check_people
from core.corpora.readers.untrusted.json_file import (
    first_of,
    is_object,
    numbers,
    preview,
    read_json,
)
from core.corpora.source import ReadReport
from core.errors import CorpusError
from core.pose.normalise import NUM_RAW_JOINTS
from core.specs.source_formats import SourceFormat

FORMAT: SourceFormat = "mmpose_json"


def fits(document: object) -> bool:
    """Whether a JSON document holds MMPose's predictions of a video."""
    frames = _frames(document)
    first = first_of(frames)
    if is_object(document) and is_object(document.get("meta_info")):
        return isinstance(frames, list)
    if is_object(first):
        return isinstance(first.get("instances"), list)
    if isinstance(frames, list) and frames and all(frame == [] for frame in frames):
        return True  # no person was detected
    person = first_of(first)
    return is_object(person) and "keypoints" in person


def read_clip(clip: ClipFiles, options: ReadOptions, report: ReadReport) -> RawClip:
    """Read a video's predictions."""
    (path,) = clip.files
    document = read_json(path)
    if not fits(document):
        raise CorpusError(
            f"{path} does not hold MMPose's predictions of a video: it has no frames with 'instances' or "
            f"'keypoints'; got {preview(document)}."
        )
    frames = _frames(document)
    assert isinstance(frames, list)
    check_frames(len(frames), path)
    size = stated_size(path, options.image_size)
    people = [_people(frame, path) for frame in objects_in_order(frames, path, report)]
    keypoints = np.zeros((len(people), NUM_RAW_JOINTS, 3))
    one = OnePerson(report)
    for index, found in enumerate(people):
        if (chosen := one.choose([points for points, _ in found], [track for _, track in found])) is not None:
            keypoints[index] = chosen
    check_pixels(keypoints, path)
    return RawClip.of(keypoints, size, clip.name)


def _frames(document: object) -> object:
    """Return the list of frames: `instance_info` (MMPose 1.x), `predictions` (0.x) or the document itself."""
    if not is_object(document):
        return document
    return document.get("instance_info", document.get("predictions"))


def _people(frame: object, path: Path) -> list[tuple[Float64[np.ndarray, "133 3"], Hashable]]:
    """The people of a frame, and the id that a tracker gave each, or None."""
    instances = frame.get("instances") if is_object(frame) else frame
    if not isinstance(instances, list):
        raise CorpusError(f"{path}: a frame must be a list of people; got {preview(frame)}.")
    check_people(len(instances), path)
    return [(_person(person, path), _track(person)) for person in instances]


def _track(person: object) -> Hashable:
    found = person.get("track_id") if is_object(person) else None
    return found if isinstance(found, int) and found >= 0 else None


def _person(person: object, path: Path) -> Float64[np.ndarray, "133 3"]:
    if not is_object(person):
        raise CorpusError(f"{path}: a person must be an object; got {preview(person)}.")
    points = numbers(person.get("keypoints"), path=path, name="keypoints")
    name = next((name for name in SCORES if isinstance(person.get(name), list)), "keypoint_scores")
    if points.shape == (NUM_RAW_JOINTS, 3) and name not in person:
        return points
    scores = numbers(person.get(name), path=path, name=name)
    if (
        points.shape[:1] != (NUM_RAW_JOINTS,)
        or points.shape[1:] not in ((2,), (3,))
        or scores.shape != (NUM_RAW_JOINTS,)
    ):
        raise CorpusError(
            f"{path}: a person's 'keypoints' and 'keypoint_scores' must be COCO-WholeBody, with the shapes "
            f"({NUM_RAW_JOINTS}, 2) and ({NUM_RAW_JOINTS},), or 'keypoints' with ({NUM_RAW_JOINTS}, 3); got "
            f"{points.shape} and {scores.shape}."
        )
    return with_scores(points, scores)


LAYOUT = ClipFormat(FORMAT, read_clip, states_size=False)
