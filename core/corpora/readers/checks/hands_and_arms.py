"""Check that each hand belongs to its arm: it begins where the pose has the wrist of that arm.

Two detectors see a wrist, that of the body and that of the hand. Where they disagree, the points were read in
another order than they were written, or the sides of the hands were exchanged. Distances are in shoulder
widths. In 6,501 pairs of a clip and a hand of three real signers, in frames of 640 x 480, a clip's median
is at most 0.46 to the own wrist (half of the pairs: 0.07) and more than 0.40 to the other one in 99 of 100.
None of these 4,100 clips has hands at the wrong arm, so a small share of such clips is reported.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from core.corpora.findings import SHARE_OF_FEW, FindingKind
from core.corpora.readers.checks.body import Body
from core.corpora.readers.checks.seen import MIN_CONFIDENCE, middle
from core.corpora.source import ReadReport

EXCHANGED_HANDS = FindingKind(
    "exchanged-hands",
    "In {clips} each hand begins at the wrist of the other arm (for example {example}). The hands are stored "
    "in the other order, or were named as in a mirror. Exchange them: set sides (--sides exchange_hands), or "
    "remove it if it is set.",
    refused_above=0.5,
    min_share=SHARE_OF_FEW,
    if_mixed="In {clips} each hand begins at the wrist of the other arm (for example {example}); {right} are "
    "right. An option would exchange the hands of all clips. Import the right clips apart from the wrong "
    "ones, and these with --sides exchange_hands.",
)
HANDS_OFF_ARMS = FindingKind(
    "hands-off-arms",
    "In {clips} a hand does not begin at the wrist of its arm (for example {example}). The parts are "
    "probably stored in another order than the format has, or hands and body in different units. Put them "
    "into the order of the format, and import again.",
    refused_above=0.5,
    min_share=SHARE_OF_FEW,
    if_mixed="In {clips} a hand does not begin at the wrist of its arm (for example {example}); {right} are "
    "right. In the wrong ones the parts are probably stored in another order than the format has, or hands "
    "and body in different units. Put them into the order of the format, and import again.",
)
_MIN_FRAMES = 5
"""In fewer frames one hand does not tell that it is off its arm: in 7 of 16,918 single frames of real signers
a hand is 0.6 widths off. Never are both 0.4 off, and never do hands seem to be exchanged."""
_MIN_POINTS = 5
"""A hand needs as many points of its own; DSTA-SLR's packs have 10 of 21."""
NEAR, FAR = 0.35, 0.4
_VERY_FAR = 0.6
"""In shoulder widths."""


class Hand(NamedTuple):
    """Median distances of a hand's wrist to both arms' wrists in shoulder widths, and of how many frames."""

    to_own: float
    to_other: float
    num_frames: int


def note_hands_and_arms(name: str, body: Body, report: ReadReport) -> None:
    """Count a clip as one of exchanged hands, of hands at neither arm, or as right: against both."""
    hands = list(hands_of(body))
    if not hands:
        return
    own, other = (
        " and ".join(f"{distance:.2f}" for distance in distances)
        for distances in ([hand.to_own for hand in hands], [hand.to_other for hand in hands])
    )
    example = f"{name}: {own} shoulder widths from its own wrist, {other} from the other one"
    exchanged = all(hand.to_own > FAR and hand.to_other < NEAR for hand in hands)
    off = _are_enough(hands) and are_off(hands) and not exchanged
    if not off:
        report.find(EXCHANGED_HANDS, example, holds=exchanged)
    if not exchanged and _are_enough(hands):
        report.find(HANDS_OFF_ARMS, example, holds=off)


def are_off(hands: Sequence[Hand]) -> bool:
    """Whether all hands are far from their arms, or one of enough frames is farther than any of real ones."""
    return _are_enough(hands) and (
        all(hand.to_own > FAR for hand in hands)
        or any(hand.to_own > _VERY_FAR and hand.num_frames >= _MIN_FRAMES for hand in hands)
    )


def _are_enough(hands: Sequence[Hand]) -> bool:
    """Whether hands can be off their arms: both are seen, or one in `_MIN_FRAMES` frames."""
    return len(hands) > 1 or any(hand.num_frames >= _MIN_FRAMES for hand in hands)


def hands_of(body: Body) -> Iterator[Hand]:
    """Measure each hand that is seen together with both arms in some frame."""
    if not body.shoulders.any():  # these are hardly confidences
        body = body.believed()
    widths = body.width[body.shoulders]
    width = middle(widths) if len(widths) else 0.0
    if width <= 0:
        return
    hands = body.hands
    least = MIN_CONFIDENCE * np.maximum(hands.num_points, _MIN_POINTS)
    frames = hands.seen & (hands.confidence > least[:, None])
    for hand in frames.any(axis=1).nonzero()[0]:
        which = frames[hand]
        to_own, to_other = (middle(each[hand][which]) / width for each in (hands.to_own, hands.to_other))
        yield Hand(to_own, to_other, int(np.count_nonzero(which)))
