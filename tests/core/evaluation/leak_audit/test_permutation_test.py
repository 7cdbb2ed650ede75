"""Permutation test: exact for few recordings, keeps its level for many, and groups takes of one recording."""

from itertools import permutations

import numpy as np
import pytest

from core.evaluation.leak_audit.permutation_test import PermutationTest, Recordings, permutation_test

pytestmark = pytest.mark.slow


def judged(
    answers: np.ndarray, recordings: Recordings, *, seed: int = 0, level: float = 0.01
) -> PermutationTest:
    classes = int(max(answers.max(), recordings.labels.max())) + 1
    generator = np.random.default_rng(seed)
    return permutation_test(
        answers, recordings, num_classes=classes, generator=generator, level=level, num_permutations=199
    )


def in_rows(num_signers: int, num_glosses: int, num_takes: int) -> tuple[np.ndarray, np.ndarray, Recordings]:
    """Each signer signs each gloss `num_takes` times in a row."""
    signers = np.repeat(np.arange(num_signers), num_glosses * num_takes)
    labels = np.tile(np.repeat(np.arange(num_glosses), num_takes), num_signers)
    return signers, labels, Recordings.of(labels, signers, np.zeros_like(signers))


def test_expectation_and_p_value_match_all_permutations() -> None:
    _, labels, recordings = in_rows(1, 4, 5)
    answers = np.random.default_rng(3).integers(0, 4, len(labels))
    predicted = np.array(
        [[(answers[labels == row] == gloss).sum() for gloss in range(4)] for row in range(4)]
    )
    scores = [
        sum(predicted[row, gloss] for row, gloss in enumerate(order)) for order in permutations(range(4))
    ]
    test = permutation_test(
        answers,
        recordings,
        num_classes=4,
        generator=np.random.default_rng(0),
        level=0.01,
        num_permutations=20_000,
    )
    true = (answers == labels).sum()
    assert test.expected == pytest.approx(np.mean(scores) / 20, abs=0.01)
    assert test.p_value == pytest.approx(np.mean([score >= true for score in scores]), abs=0.02)


def test_takes_of_one_recording_are_not_independent() -> None:
    """Two of nine recordings are correct by chance, 60 of 270 clips: a binomial test would alarm."""
    _, labels, recordings = in_rows(1, 9, 30)
    answers = np.where(labels < 2, labels, (labels - 2 + 3) % 7 + 2)
    assert (answers == labels).mean() == pytest.approx(2 / 9)
    assert judged(answers, recordings).p_value > 0.1
    predicted = np.where(labels < 7, labels, 0)
    assert judged(predicted, recordings).p_value <= 0.01


def test_random_predictions_are_significant_at_the_level() -> None:
    *_, recordings = in_rows(3, 9, 4)
    random = np.random.default_rng(0)
    p_values = []
    for seed in range(200):
        of_rows = random.integers(0, 9, len(recordings.labels))
        p_values.append(judged(of_rows[recordings.clip_recordings], recordings, seed=seed).p_value)
    assert np.mean(np.array(p_values) <= 0.05) < 0.1
    assert np.mean(np.array(p_values) <= 0.5) > 0.3, "and it does not say so of everything"


def test_few_recordings_cannot_be_judged() -> None:
    for num_glosses, can_tell in ((4, False), (5, True)):
        _, labels, recordings = in_rows(1, num_glosses, 10)
        assert judged(labels, recordings).can_tell is can_tell, f"{num_glosses}! ways"
    _, labels, recordings = in_rows(20, 1, 10)
    assert not judged(labels, recordings).can_tell, "one gloss a signer: nothing to exchange"


def test_clips_without_names_are_recordings_by_gloss() -> None:
    labels, nobody = np.array([0, 0, 1, 1, 2]), np.full(5, -1)
    recordings = Recordings.of(labels, nobody, nobody)
    assert recordings.clip_recordings.tolist() == [0, 0, 1, 1, 2]
    assert recordings.labels.tolist() == [0, 1, 2]
