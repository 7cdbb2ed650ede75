"""Check for mirrored frames, and for mirrored points or swapped left and right names.

A pose estimator names the sides by what it sees. In frames mirrored before pose estimation, the left shoulder
is on the expected side, but the hands have swapped roles. Only points mirrored after pose estimation, or
swapped names, put the left shoulder on the wrong side.
"""

from core.corpora.findings import SHARE_OF_FEW, FindingKind
from core.corpora.readers.checks.body import Body
from core.corpora.readers.checks.seen import middle
from core.corpora.source import ReadReport

_MIN_SHOULDER_DISTANCE = 0.05
"""Minimum distance of the shoulders in frame widths; for real people facing the camera it is 0.11 to 0.39. Of
24,039 single frames of them, one has the shoulders exchanged."""
_MIN_RATIO = 1.5
"""A hand leads if its wrist's path is this many times as long as the other's. In clips of real right-handers
the right one leads in 7 of 10, the left one in less than 1 of 10."""
SWAPPED_SIDES = FindingKind(
    "swapped-sides",
    "In {clips}, most of those with visible shoulders, the left shoulder is to the left of the right "
    "one (for example {example}). For a person facing the camera it is to the right. The points were "
    "mirrored after pose estimation, or left and right were swapped. If they were swapped, set sides "
    "(--sides exchange_all). If they were mirrored, mirror x in the files and import again.",
    min_share=SHARE_OF_FEW,
    if_mixed="In {clips} with visible shoulders, the left shoulder is to the left of the right one (for "
    "example {example}); in {right} it is to the right, as for a person who faces the camera. The points of "
    "those clips were mirrored after pose estimation, or their left and right were swapped, or their signers "
    "turn away. Import them on their own: with sides (--sides exchange_all) if they were swapped, with x "
    "mirrored in the files if they were mirrored.",
)
MIRRORED_FRAMES = FindingKind(
    "mirrored-frames",
    "In {clips}, most of those with a leading hand, the left hand leads (for example {example}). "
    "Unless most signers are left-handed, the frames were probably mirrored before pose estimation, as some "
    "extractors do. Set unmirror_frames (--unmirror-frames), or remove it if it is set.",
    min_count=50,  # with fewer clips, the leading hand depends on the signs
)


def note_sides(name: str, width: int, body: Body, report: ReadReport) -> None:
    """Count a clip for or against swapped sides, and for or against mirrored frames, if it is conclusive."""
    apart = _shoulders_apart(body) / width
    if abs(apart) > _MIN_SHOULDER_DISTANCE:
        report.find(SWAPPED_SIDES, name, holds=apart < 0)
    left, right = body.wrist_steps[:, 1:].sum(axis=1).tolist()  # the lengths of the wrists' paths
    if max(left, right) > _MIN_RATIO * min(left, right):
        report.find(MIRRORED_FRAMES, name, holds=left > right)


def _shoulders_apart(body: Body) -> float:
    """Return the median of left minus right shoulder x in pixels; 0 if unknown."""
    apart = body.across[0][body.shoulders]
    return middle(apart) if len(apart) else 0.0
