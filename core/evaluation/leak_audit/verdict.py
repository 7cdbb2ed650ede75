"""The verdict of a leak audit: when it alarms and what it says. Reasons: docs/explanation/leak-audit.md."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.evaluation.leak_audit.comparison import Comparison
from core.evaluation.leak_audit.posture import PROBES

LEVEL = 0.005
"""p-value from which on a posture score is no luck: 0.01, shared by two probes."""
SHARE = 0.25
"""Of what the keypoints tell beyond luck, the share that posture must tell to alarm."""

assert len(PROBES) == 2, "LEVEL is shared among the probes"


def verdict(
    folds: Sequence[Comparison], probes: Mapping[str, Any] | None, *, num_signers: int
) -> dict[str, Any]:
    """Whether scores on these folds are inflated: `alarm`, its `reasons`, and `notes` on what stays open.

    A clip counts once, however many sides it is compared with.
    """
    reasons, notes = [], []
    num_test = len({clip for fold in folds for clip in fold.test.tolist()})
    exact = {copy.clip for fold in folds for copy in fold.exact}
    near = {copy.clip for fold in folds for copy in fold.near} - exact
    for copies, words in ((exact, "byte for byte"), (near, "but for noise, cuts, size or a mirror")):
        if copies:
            reasons.append(
                f"{len(copies)} of {num_test} clips are, {words}, copies of clips on the other side."
            )
    for noun, shared in (
        ("signers", _distinct(fold.signers for fold in folds)),
        ("sessions", _distinct(fold.sessions for fold in folds)),
    ):
        if shared and noun == "signers" and num_signers == 1:
            notes.append(f"All clips are of one signer, {shared[0]}; scores say nothing about others.")
        elif shared:
            reasons.append(f"{noun.capitalize()} on both sides: {_listed(shared)}.")
    if num_signers == 0:
        notes.append("No clip names its signer, so that signers on both sides would not be seen.")
    _judge_posture(probes, reasons, notes)
    return {"alarm": bool(reasons), "reasons": reasons, "notes": notes}


def _judge_posture(probes: Mapping[str, Any] | None, reasons: list[str], notes: list[str]) -> None:
    if probes is None:
        notes.append("Posture was not probed: that takes clips of two glosses on both sides.")
        return
    if probes["num_glosses"] < probes["num_glosses_of"]:
        notes.append(f"Posture was probed on {probes['num_glosses']} of {probes['num_glosses_of']} glosses.")
    posture, keypoints = probes["posture"], probes["keypoints"]
    if not posture["can_tell"]:
        notes.append(
            f"Posture cannot be judged: with {posture['num_recordings']} recordings, whose glosses can "
            "be exchanged within a signer only, any score may be luck."
        )
        return
    score = posture[posture["best"]]
    told = score - posture["by_luck"]
    real = keypoints[keypoints["best"]] - keypoints["by_luck"]
    if posture["p_value"] <= LEVEL and told >= SHARE * max(real, 0.0):
        reasons.append(
            f"Head and shoulders of the first frame tell the gloss of {score:.3f} of the clips, "
            f"{posture['by_luck']:.3f} would be luck (p = {posture['p_value']:.3f}); the whole pose tells "
            f"{keypoints[keypoints['best']]:.3f}."
        )


def _distinct(several: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in several for name in names))


def _listed(names: Sequence[str]) -> str:
    most = 5
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
