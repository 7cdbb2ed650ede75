"""A clip's views do not depend on how the batch is divided among ranks."""

from pathlib import Path

import pytest
import torch

from core.training.data_order import DataOrder
from core.training.step_views import StepViews
from tests.core.corpus_maker import random_corpus
from tests.core.small import SMALL


@pytest.mark.parametrize("num_ranks", [2, 3, 6])
def test_ranks_together_see_the_views_of_the_whole_batch(tmp_path: Path, num_ranks: int) -> None:
    corpus, share = random_corpus(tmp_path / "corpus"), 6 // num_ranks
    order = DataOrder(torch.arange(len(corpus)).numpy(), batch_size=6, seed=1)

    def views(own: slice) -> list[torch.Tensor]:
        made = StepViews(corpus, order, SMALL.views, torch.device("cpu"), own)(5)
        return [tensor for view in made for tensor in (view.points, view.hand_visible)]

    parts = [views(slice(rank * share, (rank + 1) * share)) for rank in range(num_ranks)]
    for whole, *pieces in zip(views(slice(0, 6)), *parts, strict=True):
        assert torch.equal(whole, torch.cat(pieces))
