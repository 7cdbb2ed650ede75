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
