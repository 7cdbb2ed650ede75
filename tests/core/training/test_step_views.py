"""A clip's views do not depend on how the batch is divided among ranks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.pose.skeleton import HANDS, NUM_HAND_JOINTS, TRUNK
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


def test_a_trunk_is_hidden_in_both_views_of_some_clips_and_again_at_the_same_step(tmp_path: Path) -> None:
    corpus = random_corpus(tmp_path / "corpus")
    order = DataOrder(np.arange(len(corpus)), batch_size=16, seed=1)
    config = SMALL.views.model_copy(update={"trunk_hidden_probability": 0.4})
    views = StepViews(corpus, order, config, torch.device("cpu"), slice(0, 16))
    shown = []
    for step in range(20):
        (query, key), again = views(step), views(step)[0]
        assert query.has_trunk is not None
        assert key.has_trunk is not None
        assert torch.equal(query.has_trunk, key.has_trunk)
        assert torch.equal(query.points, again.points)
        assert not query.points[~query.has_trunk][:, :, TRUNK].any()
        shown.append(query.has_trunk.float().mean())
    assert torch.stack(shown).mean() == pytest.approx(0.6, abs=0.1)
    own, whole = StepViews(corpus, order, config, torch.device("cpu"), slice(4, 9))(3)[0], views(3)[0]
    assert own.has_trunk is not None
    assert whole.has_trunk is not None
    assert torch.equal(own.has_trunk, whole.has_trunk[4:9])


def test_hands_are_hidden_in_a_row_of_frames_of_the_query_view_alone(tmp_path: Path) -> None:
    corpus = random_corpus(tmp_path / "corpus")
    order = DataOrder(np.arange(len(corpus)), batch_size=16, seed=1)
    config = SMALL.views.model_copy(update={"hidden_hand_frames": 0.5})
    query, key = StepViews(corpus, order, config, torch.device("cpu"), slice(0, 16))(3)
    assert query.hidden is not None
    assert key.hidden is None
    length = round(0.5 * config.num_frames)
    assert (query.hidden.sum(dim=1) == length).all()
    assert (query.hidden.long().diff(dim=1).abs().sum(dim=1) <= 2).all(), "frames in a row"
    hands = query.shown.points[:, :, HANDS].unflatten(2, (2, NUM_HAND_JOINTS))
    assert not hands[query.hidden].any()
    assert not query.shown.hand_visible[query.hidden].any()
    assert torch.equal(query.shown.points[:, :, TRUNK], query.points[:, :, TRUNK])
    own = StepViews(corpus, order, config, torch.device("cpu"), slice(4, 9))(3)[0]
    assert own.hidden is not None
    assert torch.equal(own.hidden, query.hidden[4:9])
