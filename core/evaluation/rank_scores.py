"""Scores of a ranking from the rank of the right answer: top-k accuracy, reciprocal rank, DCG.

DCG is discounted cumulative gain (Järvelin and Kekäläinen, 2002). With one right answer it is
1 / log2(rank + 1), and so is the normalised DCG.
"""

import numpy as np
from jaxtyping import Float64

CUTOFFS = (1, 5, 10, 20)
"""The k of top-k accuracy and of recall at k."""
Ranks = Float64[np.ndarray, " M"]


def hits(ranks: Ranks, *, num_ranked: int, name: str) -> dict[str, Ranks]:
    """Return for each k of `CUTOFFS` whether the right answer is among the first k, as 0 or 1.

    `num_ranked` is the number of ranked answers. A k of that many or more is left out, because every right
    answer is among them. `name` is the name of a score without its k, such as `top`. A rank may be infinite.
    """
    return {f"{name}{k}": (ranks <= k).astype(np.float64) for k in CUTOFFS if k < num_ranked}


def reciprocal(ranks: Ranks) -> Ranks:
    """Return 1 / rank, the contribution of each clip to the mean reciprocal rank; 0 for infinite ranks."""
    return 1 / ranks


def dcg(ranks: Ranks) -> Ranks:
    """Return the discounted cumulative gain of a ranking with one right answer: 1 / log2(rank + 1)."""
    return 1 / np.log2(ranks + 1)
