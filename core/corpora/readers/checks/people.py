"""Choose the signer in frames with several detected people."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from core.corpora.source import ReadReport


def most_confident(
    people: Sequence[Float64[np.ndarray, "V 3"]], report: ReadReport
) -> Float64[np.ndarray, "V 3"]:
    """Return the person of a frame (points of x, y, confidence) with the highest total confidence."""
    if len(people) == 1:
        return people[0]
    report.frames_of_several_people += 1
    report.note("In frames with several people, the one with the highest total confidence was read.")
    totals = [np.nansum(np.clip(person[:, 2], 0, None)) for person in people]
    return people[int(np.argmax(totals))]
