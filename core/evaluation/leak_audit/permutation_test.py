"""Permutation test of a probe's score, for clips that are not independent within a recording.

A signer who records thirty takes of a sign in a row has the same posture in all of them. The thirty
predictions are therefore not independent, and a binomial test over clips would give false alarms. Under the
null hypothesis that features are independent of glosses, the glosses of a signer's recordings are
exchangeable.
"""

from dataclasses import dataclass
from math import lgamma, log

import numpy as np
from jaxtyping import Int64


@dataclass(frozen=True)
class PermutationTest:
    """Scores of the same predictions with glosses permuted among each signer's recordings.

    `expected` is the mean under permutation. `p_value` is the fraction of permutations, including the
    identity, that reach the true score. `can_tell`: there are enough distinct permutations for the requested
    level.
    """

    expected: float
    p_value: float
    num_recordings: int
    can_tell: bool


@dataclass(frozen=True)
class Recordings:
    """The recording of each test clip, and the gloss and signer of each recording."""

    clip_recordings: Int64[np.ndarray, " N"]
    labels: Int64[np.ndarray, " R"]
    signers: Int64[np.ndarray, " R"]

    @classmethod
    def of(
        cls,
        labels: Int64[np.ndarray, " N"],
        signers: Int64[np.ndarray, " N"],
        sessions: Int64[np.ndarray, " N"],
    ) -> "Recordings":
        """Group clips: a recording is one signer, session and gloss. Unknown ones (-1) count as one name."""
        rows, belonging = np.unique(
            np.stack([signers, sessions, labels], axis=1), axis=0, return_inverse=True
        )
        return cls(belonging.reshape(-1).astype(np.int64), rows[:, 2], rows[:, 0])


def permutation_test(
    answers: Int64[np.ndarray, " N"],
    recordings: Recordings,
    *,
    num_classes: int,
    generator: np.random.Generator,
    level: float,
    num_permutations: int = 999,
) -> PermutationTest:
    """Permute the glosses within each signer's recordings `num_permutations` times and rescore `answers`."""
    counts = np.zeros(
        (len(recordings.labels), num_classes), dtype=np.int64
    )  # (R, C) how often each gloss is predicted
    np.add.at(counts, (recordings.clip_recordings, answers), 1)
    strata = [np.flatnonzero(recordings.signers == signer) for signer in np.unique(recordings.signers)]
    rows = np.arange(len(recordings.labels))
    true = int(counts[rows, recordings.labels].sum())
    scores = np.array(
        [counts[rows, _permuted(recordings.labels, strata, generator)].sum() for _ in range(num_permutations)]
    )
    return PermutationTest(
        expected=float(scores.mean()) / len(answers),
        p_value=float((1 + (scores >= true).sum()) / (1 + num_permutations)),
        num_recordings=len(recordings.labels),
        can_tell=_log_num_permutations(recordings, strata) > -log(level),
    )


def _permuted(
    labels: Int64[np.ndarray, " R"], strata: list[np.ndarray], generator: np.random.Generator
) -> Int64[np.ndarray, " R"]:
    permuted = labels.copy()
    for members in strata:
        permuted[members] = generator.permutation(labels[members])
    return permuted


def _log_num_permutations(recordings: Recordings, strata: list[np.ndarray]) -> float:
    """Return the logarithm of the number of distinct permutations of glosses within signers."""
    total = 0.0
    for members in strata:
        _, counts = np.unique(recordings.labels[members], return_counts=True)
        total += lgamma(len(members) + 1) - float(sum(lgamma(count + 1) for count in counts.tolist()))
    return total
