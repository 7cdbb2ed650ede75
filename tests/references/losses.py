"""The losses written as slowly and literally as the paper states them, in NumPy and loops."""

import math

import numpy as np


def softmax(values: np.ndarray) -> np.ndarray:
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()


def info_nce(queries: np.ndarray, keys: np.ndarray, negatives: np.ndarray, temperature: float) -> float:
    terms = []
    for query, key in zip(queries, keys, strict=True):
        positive = math.exp(query @ key / temperature)
        others = sum(math.exp(query @ negative / temperature) for negative in negatives)
        terms.append(-math.log(positive / (positive + others)))
    return float(np.mean(terms))


def neighbour_divergence(
    teacher: np.ndarray, student: np.ndarray, neighbours: int, teacher_t: float, student_t: float
) -> float:
    terms = []
    for seen_by_teacher, seen_by_student in zip(teacher, student, strict=True):
        nearest = np.argsort(-seen_by_teacher)[:neighbours]
        p, q = softmax(seen_by_teacher[nearest] / teacher_t), softmax(seen_by_student[nearest] / student_t)
        terms.append(sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True) if a > 0))
    return float(np.mean(terms))


def nearest_key_nce(queries: np.ndarray, keys: np.ndarray, past: np.ndarray, temperature: float) -> float:
    terms = []
    for query, key in zip(queries, keys, strict=True):
        nearest = max(range(len(past)), key=lambda index: float(past[index] @ key))
        others = np.delete(past, nearest, axis=0)
        terms.append(info_nce(query[None], past[nearest][None], others, temperature))
    return float(np.mean(terms))


def prototype_prediction(
    queries: np.ndarray,
    keys: np.ndarray,
    past: np.ndarray,
    prototypes: np.ndarray,
    key_prototypes: np.ndarray,
    assigning_t: float,
    predicting_t: float,
) -> float:
    prototypes, key_prototypes = (
        np.stack([each / np.linalg.norm(each) for each in rows]) for rows in (prototypes, key_prototypes)
    )
    use = [sum(math.exp(key @ each / assigning_t) for key in past) for each in key_prototypes]
    terms = []
    for query, key in zip(queries, keys, strict=True):
        shares = [math.exp(key @ p / assigning_t) / u for p, u in zip(key_prototypes, use, strict=True)]
        predicted = softmax(prototypes @ query / predicting_t)
        terms.append(-sum(a / sum(shares) * math.log(b) for a, b in zip(shares, predicted, strict=True)))
    return float(np.mean(terms))


def hidden_hands_error(guesses: np.ndarray, truth: np.ndarray, asked: np.ndarray) -> float:
    terms = []
    for clip, frame, hand in np.argwhere(asked):
        terms.append(np.mean((guesses[clip, hand, frame] - truth[clip, hand, frame]) ** 2))
    return float(np.mean(terms)) if terms else 0.0
