"""Weighted k-nearest neighbours (Wu et al., 2018): neighbours vote with exp(similarity / temperature)."""

from jaxtyping import Float, Int64
from torch import Tensor

from core.program.heartbeat import Heartbeat
from core.search.neighbours import nearest


def knn_scores(
    train: Float[Tensor, "N D"],
    train_labels: Int64[Tensor, " N"],
    test: Float[Tensor, "M D"],
    *,
    num_classes: int,
    num_neighbours: int,
    temperature: float,
    heartbeat: Heartbeat = lambda: None,
) -> Float[Tensor, "M C"]:
    """Return each test clip's votes by class, from cosine similarity of features centred on the train mean.

    `num_neighbours` is limited to the number of train clips. `heartbeat` is called regularly.
    """
    neighbours = nearest(test, train, num_neighbours=num_neighbours, heartbeat=heartbeat)
    highest = neighbours.similarities[:, :1]  # the nearest neighbour has weight 1
    weights = ((neighbours.similarities - highest) / temperature).exp()
    votes = weights.new_zeros(len(test), num_classes)
    return votes.scatter_add_(1, train_labels.to(votes.device)[neighbours.places], weights)
