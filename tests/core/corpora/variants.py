"""Sources with a mistake that people and programs make, by a seed: each must be read right, refused or told.

Each kind draws variants of a recording of a synthetic signer.
"""

import shutil
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from core.pose.synthetic.recording import HEIGHT, WIDTH, SyntheticConfig, generate_clips
from tests.core.corpora.readers import written

LEFT, RIGHT = slice(91, 112), slice(112, 133)
_POSE_POINTS = {0: 0, 11: 5, 12: 6, 13: 7, 14: 8, 15: 9, 16: 10}
"""MediaPipe's points of the pose, and COCO's."""
_OTHER_SIDE = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9]
_GLOSSES = (
    ("café", "thé vert"),
    ("book", "tree"),
    ("书本", "喝茶"),
    ("книга", "чай"),
    ("本を読む", "お茶"),
    ("mañana", "señor"),
)

Facts = dict[str, tuple[str | None, str | None]]
"""Gloss and split of each clip, by its name."""


@dataclass(frozen=True)
class Variant:
    """A source, its options, what it is, and the facts of its clips if it can be read right."""

    what: str
    source: Path
    options: dict[str, Any] = field(default_factory=dict)
    facts: Facts | None = None


Kind = Callable[[np.random.Generator, Path], Variant]


def recordings() -> list[np.ndarray]:
    """Two-handed and one-handed clips (T, 133, 3) of synthetic signers, in pixels."""
    config = SyntheticConfig(num_signs=8, num_signers=2, takes_per_sign=1, seed=5)
    clips = [clip.keypoints for clip in generate_clips(config)]
    return [clip for clip in clips if (clip[:, RIGHT, 2] > 0.5).all(axis=1).sum() > 12]


_RECORDINGS = recordings()


def clip_of(draw: np.random.Generator) -> np.ndarray:
    """One of the recordings."""
    return _RECORDINGS[int(draw.integers(len(_RECORDINGS)))].astype("f8")


def orders(draw: np.random.Generator, folder: Path) -> Variant:
    """Frames of MediaPipe values whose parts are in any order."""
    with_face = bool(draw.integers(2))
    usual = ("pose", "face", "left_hand", "right_hand") if with_face else ("pose", "left_hand", "right_hand")
    order = list(permutations(usual))[int(draw.integers(24 if with_face else 6))]
    clip = clip_of(draw)
    for number, frame in enumerate(_vectors(clip, order)):
        path = folder / "tea" / "0" / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, frame)
    options = {"image_width": WIDTH, "image_height": HEIGHT}
    return Variant(
        f"{'1662' if with_face else '258'} {order}",
        folder,
        options,
        {"tea/0": ("tea", None)} if order == usual else None,
    )


def _vectors(clip: np.ndarray, order: tuple[str, ...]) -> Iterator[np.ndarray]:
    """MediaPipe's values of each frame: fractions of the frame, and depths around 0."""
    depth = np.random.default_rng(len(clip))
    for frame in clip / (WIDTH, HEIGHT, 1):
        pose = np.column_stack([np.full((33, 2), 0.5), depth.normal(-0.3, 0.3, 33), np.full(33, 0.1)])
        for point, coco in _POSE_POINTS.items():
            pose[point, [0, 1, 3]] = frame[coco]
        face = np.column_stack([depth.normal(frame[0, :2], 0.03, (468, 2)), depth.normal(0, 0.02, 468)])
        parts = {"pose": pose, "face": face}
        for name, hand in (("left_hand", LEFT), ("right_hand", RIGHT)):
            points = np.column_stack([frame[hand, :2], depth.normal(-0.02, 0.02, 21)])
            parts[name] = points * (frame[hand, 2].mean() > 0.5)
        yield np.concatenate([parts[part].ravel() for part in order])


def sides(draw: np.random.Generator, folder: Path) -> Variant:
    """Left and right exchanged, in several formats."""
    clip = clip_of(draw)
    change = ("hands exchanged", "all exchanged", "x mirrored", "right")[int(draw.integers(4))]
    if change in ("hands exchanged", "all exchanged"):
        clip[:, LEFT], clip[:, RIGHT] = clip[:, RIGHT].copy(), clip[:, LEFT].copy()
    if change == "all exchanged":
        clip[:, :11] = clip[:, _OTHER_SIDE]
    if change == "x mirrored":
        clip[:, :, 0] = WIDTH - clip[:, :, 0]
    source, what = _written(draw, folder, clip)
    options = {"image_width": WIDTH, "image_height": HEIGHT}
    facts: Facts | None = {"tea/0": ("tea", None)} if change == "right" else None
    return Variant(f"{what}: {change}", source, options, facts)


def _written(draw: np.random.Generator, folder: Path, clip: np.ndarray) -> tuple[Path, str]:
    kind = ("npz", "pose", "openpose", "mmpose")[int(draw.integers(4))]
    inside = folder / "tea"
    inside.mkdir(parents=True)
    if kind == "npz":
        np.savez(inside / "0.npz", keypoints=clip, width=WIDTH, height=HEIGHT)
    elif kind == "pose":
        written.write_pose(inside / "0.pose", clip)
    elif kind == "openpose":
        written.write_openpose(inside / "0", clip)
    else:
        written.write_mmpose(inside / "0.json", clip)
    return folder, kind


def sizes(draw: np.random.Generator, folder: Path) -> Variant:
    """A wrong frame size in the file, or points in another unit; sometimes the options say the right one."""
    clip = clip_of(draw)
    upright = clip * (0.75, 4 / 3, 1)  # 480 x 640
    upright[:, :11, 1] += 640 - upright[:, :11, 1].max() - 4  # arms down to the lower edge
    low = (upright[:, LEFT], upright[:, RIGHT])
    for hand, wrist in zip(low, (9, 10), strict=True):
        hand[:, :, :2] += upright[:, [wrist], :2] - hand[:, :1, :2]
    change = ("exchanged", "default", "far too small", "far too large", "fractions", "right")[
        int(draw.integers(6))
    ]
    size, points = {
        "exchanged": ((640, 480), upright),
        "default": ((1000, 1000), clip),
        "far too small": ((WIDTH // 8, HEIGHT // 8), clip),
        "far too large": ((WIDTH * 40, HEIGHT * 40), clip),
        "fractions": ((WIDTH, HEIGHT), clip / (WIDTH, HEIGHT, 1)),
        "right": ((WIDTH, HEIGHT), clip),
    }[change]
    written.write_pose(folder / "tea" / "0.pose", points, size=size)
    is_stated = change != "fractions" and bool(draw.integers(2))
    true = (480, 640) if change == "exchanged" else (WIDTH, HEIGHT)
    options = {"image_width": true[0], "image_height": true[1]} if is_stated else {}
    is_right = change == "right" or is_stated
    facts: Facts | None = {"tea/0": ("tea", None)} if is_right else None
    return Variant(f"{change}, {'stated' if is_stated else 'not stated'}", folder, options, facts)


def encodings(draw: np.random.Generator, folder: Path) -> Variant:
    """A table of labels in any encoding, form and separator."""
    glosses = _GLOSSES[int(draw.integers(len(_GLOSSES)))]
    encoding = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "gbk", "shift_jis", "cp1251")[
        int(draw.integers(8))
    ]
    form = ("NFC", "NFD")[int(draw.integers(2))]
    separator = ",;\t|"[int(draw.integers(4))]
    ending = ("", ".mp4", ".pose", ".mp4.pose")[int(draw.integers(4))]
    rows = [
        ("name", "gloss"),
        *((f"clip{n}{ending}", unicodedata.normalize(form, g)) for n, g in enumerate(glosses)),
    ]
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    for number in range(2):
        written.write_pose(folder / f"clip{number}.pose", clip_of(draw)[: 20 + number])
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, content = "utf-8", text.encode()
    (folder / "labels.csv").write_bytes(content)
    facts: Facts = {f"clip{n}": (gloss, None) for n, gloss in enumerate(glosses)}
    return Variant(f"{glosses[0]} in {encoding} {form}, {separator!r}, {ending!r}", folder, {}, facts)


def nestings(draw: np.random.Generator, folder: Path) -> Variant:
    """Clips below folders of splits, glosses and others, in a folder or an archive, names in any form."""
    splits = [("train", "test"), ("Train", "TEST"), ("training", "dev"), ("validation", "train")][
        int(draw.integers(4))
    ]
    glosses = ("café", "tree") if draw.integers(2) else ("book", "tree")
    form = ("NFC", "NFD")[int(draw.integers(2))]
    canonical = {"training": "train", "dev": "val", "validation": "val"}
    place = int(draw.integers(4))
    facts: Facts = {}
    tree = folder / "tree"
    for number in range(4):
        split, gloss = splits[number // 2], glosses[number % 2]
        parts = {0: (split, gloss), 1: (gloss, split), 2: ("data", split, gloss), 3: (split,)}[place]
        name = "/".join((*parts, str(number)))
        known = gloss if place != 3 else None
        facts[name] = (known, canonical.get(split, split.lower()))
        path = tree / unicodedata.normalize(form, name)
        written.write_pose(path.parent / f"{path.name}.pose", clip_of(draw)[: 20 + number])
    packed = ("folder", "zip", "backslashes", "tar", "tar.gz")[int(draw.integers(5))]
    source = _packed(tree, packed, folder)
    return Variant(
        f"{splits}, {form}, place {place}, {packed}", source, {"split": {"allow_overlap": True}}, facts
    )


def _packed(tree: Path, how: str, folder: Path) -> Path:
    if how == "folder":
        return tree
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    if how in ("zip", "backslashes"):
        with zipfile.ZipFile(folder / "x.zip", "w") as archive:
            for path in files:
                name = str(path.relative_to(tree))
                archive.write(path, name)
                if how == "backslashes":
                    archive.filelist[-1].filename = name.replace("/", "\\")
        return folder / "x.zip"
    with tarfile.open(folder / f"x.{how}", "w:gz" if how == "tar.gz" else "w") as archive:
        for path in files:
            archive.add(path, str(path.relative_to(tree)))
    shutil.rmtree(tree)
    return folder / f"x.{how}"


KINDS: dict[str, Kind] = {
    "orders": orders,
    "sides": sides,
    "sizes": sizes,
    "encodings": encodings,
    "nestings": nestings,
}
