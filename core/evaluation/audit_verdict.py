"""When an audit alarms, and what it says; docs/audit.md has the reasons and the numbers behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.evaluation.posture import PROBES

LEVEL = 0.005
"""p-value from which on a posture score is no luck: 0.01, shared by two probes."""
SHARE = 0.25
"""Of what the keypoints tell beyond luck, the share that posture must tell to alarm."""

assert len(PROBES) == 2, "LEVEL is shared among the probes"


def verdict(
    folds: Sequence[Mapping[str, Any]], probes: Mapping[str, Any] | None, *, num_signers: int
) -> dict[str, Any]:
    """Whether scores on these folds are inflated: `alarm`, its `reasons`, and `notes` on what stays open."""
    reasons, notes = [], []
    num_test = sum(fold["num_test"] for fold in folds)
    for kind, words in (
        ("num_exact_copies", "byte for byte"),
        ("num_near_copies", "but for noise, cuts and size"),
    ):
        copies = sum(fold[kind] for fold in folds)
        if copies:
            reasons.append(f"{copies} of {num_test} clips are, {words}, copies of clips on the other side.")
    for noun in ("signers", "sessions"):
        shared = _shared(folds, noun)
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


def _shared(folds: Sequence[Mapping[str, Any]], noun: str) -> list[str]:
    return list(dict.fromkeys(name for fold in folds for name in fold[f"shared_{noun}"]))


def _listed(names: Sequence[str]) -> str:
    most = 5
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
