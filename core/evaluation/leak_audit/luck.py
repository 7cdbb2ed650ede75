"""What a probe would score by luck, where clips that were recorded in a row are not independent.

Someone who records thirty takes of a sign in a row sits the same way in all of them. So thirty right answers
about them are one right answer, thirty times, and a binomial bound over clips would alarm at nothing. What is
exchangeable when features say nothing about glosses is which gloss each recording of a signer has.
"""

from dataclasses import dataclass
from math import lgamma, log

import numpy as np
from jaxtyping import Int64


@dataclass(frozen=True)
class Luck:
    """Scores of the same answers with each signer's recordings given one another's glosses, many times over.

    `expected` is their mean and `p_value` the share of them, the true one included, that reach the true
    score. A probe `can_tell` where there are enough ways to exchange glosses for the level asked for.
    """

    expected: float
    p_value: float
    num_recordings: int
    can_tell: bool


@dataclass(frozen=True)
class Recordings:
    """Which recording each test clip belongs to, and the gloss and signer of each recording."""

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
        """One recording: what one signer signed of one gloss in one session; the unnamed (-1) are one."""
        rows, belonging = np.unique(
            np.stack([signers, sessions, labels], axis=1), axis=0, return_inverse=True
        )
        return cls(belonging.reshape(-1).astype(np.int64), rows[:, 2], rows[:, 0])


def luck_of(
    answers: Int64[np.ndarray, " N"],
    recordings: Recordings,
    *,
    num_classes: int,
    generator: np.random.Generator,
    level: float,
    num_exchanges: int = 999,
) -> Luck:
    """Exchange the glosses of each signer's recordings `num_exchanges` times and score `answers` anew."""
    told = np.zeros(
        (len(recordings.labels), num_classes), dtype=np.int64
    )  # (R, C) how often each gloss is answered
    np.add.at(told, (recordings.clip_recordings, answers), 1)
    strata = [np.flatnonzero(recordings.signers == signer) for signer in np.unique(recordings.signers)]
    rows = np.arange(len(recordings.labels))
    true = int(told[rows, recordings.labels].sum())
    scores = np.array(
        [told[rows, _exchanged(recordings.labels, strata, generator)].sum() for _ in range(num_exchanges)]
    )
    return Luck(
        expected=float(scores.mean()) / len(answers),
        p_value=float((1 + (scores >= true).sum()) / (1 + num_exchanges)),
        num_recordings=len(recordings.labels),
        can_tell=_log_ways(recordings, strata) > -log(level),
    )


def _exchanged(
    labels: Int64[np.ndarray, " R"], strata: list[np.ndarray], generator: np.random.Generator
) -> Int64[np.ndarray, " R"]:
    exchanged = labels.copy()
    for members in strata:
        exchanged[members] = generator.permutation(labels[members])
    return exchanged


def _log_ways(recordings: Recordings, strata: list[np.ndarray]) -> float:
    """Logarithm of how many different ways there are to give each signer's recordings their glosses."""
    ways = 0.0
    for members in strata:
        _, counts = np.unique(recordings.labels[members], return_counts=True)
        ways += lgamma(len(members) + 1) - float(sum(lgamma(count + 1) for count in counts.tolist()))
    return ways
