"""Verdict of a leak audit: whether it alarms, and the reasons (docs/explanation/leak-audit.md)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.evaluation.leak_audit.comparison import Comparison
from core.evaluation.leak_audit.posture import PROBES

LEVEL = 0.005
"""Significance level of the posture probes: 0.01, divided by two probes (Bonferroni)."""
SHARE = 0.25
"""Smallest ratio of posture's to keypoints' score above chance that raises an alarm."""

assert len(PROBES) == 2, "LEVEL is divided among the probes"


def verdict(
    folds: Sequence[Comparison], probes: Mapping[str, Any] | None, *, num_signers: int
) -> dict[str, Any]:
    """Return whether scores on these folds are inflated: `alarm`, `reasons`, and `notes` on open questions.

    A clip is counted once, even if it is compared with several sides.
    """
    reasons, notes = [], []
    num_test = len({clip for fold in folds for clip in fold.test.tolist()})
    exact = {copy.clip for fold in folds for copy in fold.exact}
    near = {copy.clip for fold in folds for copy in fold.near} - exact
    for copies, words in (
        (exact, "identical to"),
        (near, "near copies (noise, cuts, size or mirroring apart) of"),
    ):
        if copies:
            reasons.append(f"{len(copies)} of {num_test} clips are {words} clips on the other side.")
    for noun, shared in (
        ("signers", _distinct(fold.signers for fold in folds)),
        ("sessions", _distinct(fold.sessions for fold in folds)),
    ):
        if shared and noun == "signers" and num_signers == 1:
            notes.append(f"All clips are of one signer, {shared[0]}; scores do not apply to other signers.")
        elif shared:
            reasons.append(f"{noun.capitalize()} on both sides: {_listed(shared)}.")
    if num_signers == 0:
        notes.append("No clip has a signer name, so shared signers cannot be detected.")
    _judge_posture(probes, reasons, notes)
    return {"alarm": bool(reasons), "reasons": reasons, "notes": notes}


def _judge_posture(probes: Mapping[str, Any] | None, reasons: list[str], notes: list[str]) -> None:
    if probes is None:
        notes.append("Posture was not probed, because this needs clips of two glosses on both sides.")
        return
    if probes["num_glosses"] < probes["num_glosses_of"]:
        notes.append(f"Posture was probed on {probes['num_glosses']} of {probes['num_glosses_of']} glosses.")
    posture, keypoints = probes["posture"], probes["keypoints"]
    if not posture["can_tell"]:
        notes.append(
            f"Posture cannot be judged: {posture['num_recordings']} recordings have too few permutations of "
            "glosses within a signer, so no score would be significant."
        )
        return
    score = posture[posture["best"]]
    above_chance = score - posture["by_luck"]
    keypoints_above_chance = keypoints[keypoints["best"]] - keypoints["by_luck"]
    if posture["p_value"] <= LEVEL and above_chance >= SHARE * max(keypoints_above_chance, 0.0):
        reasons.append(
            f"Head and shoulders of the first frame predict the gloss with accuracy {score:.3f}; chance is "
            f"{posture['by_luck']:.3f} (p = {posture['p_value']:.3f}), and the whole pose reaches "
            f"{keypoints[keypoints['best']]:.3f}."
        )


def _distinct(several: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in several for name in names))


def _listed(names: Sequence[str]) -> str:
    most = 5
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
