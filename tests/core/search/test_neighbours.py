"""Neighbours found block by block are those of the plain form, ties included."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.search.knn import knn_scores
from core.search.neighbours import nearest, unit


def plainly(queries: torch.Tensor, gallery: torch.Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """All similarities at once, ranked by a stable sort."""
    centre = gallery.mean(dim=0)
    similarities = (unit(queries, centre) @ unit(gallery, centre).T).numpy()
    places = np.argsort(-similarities, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(similarities, places, axis=1), places


@pytest.mark.slow
@given(
    queries=st.integers(1, 9),
    clips=st.integers(1, 30),
    count=st.integers(1, 40),
    query_block=st.integers(1, 10),
    gallery_block=st.integers(1, 31),
    seed=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=150)
def test_blocks_find_what_the_plain_form_finds_with_ties_to_the_earlier_clip(
    queries: int, clips: int, count: int, query_block: int, gallery_block: int, seed: int
) -> None:
    """Rows are +-1 along an axis and their sum is 0, so that similarities are exact and mostly tied."""
    random = np.random.default_rng(seed)
    half = np.eye(3)[random.integers(0, 3, clips)] * random.choice([-1.0, 1.0], (clips, 1))
    gallery = torch.from_numpy(random.permutation(np.concatenate([half, -half]))).float()
    asked = torch.from_numpy(random.integers(-2, 3, (queries, 3))).float()
    found = nearest(
        asked, gallery, num_neighbours=count, query_block=query_block, gallery_block=gallery_block
    )
    similarities, places = plainly(asked, gallery, count)
    np.testing.assert_array_equal(found.places.numpy(), places)
    np.testing.assert_array_equal(found.similarities.numpy(), similarities)


@pytest.mark.slow
def test_votes_do_not_depend_on_the_blocks() -> None:
    """Two blocks of train clips and two of test clips, against all at once."""
    generator = torch.Generator().manual_seed(0)
    train, test = torch.randn(8_200, 8, generator=generator), torch.randn(1_030, 8, generator=generator)
    labels = torch.randint(0, 5, (len(train),), generator=generator)
    votes = knn_scores(train, labels, test, num_classes=5, num_neighbours=20, temperature=0.07)
    similarities, places = plainly(test, train, 20)
    weights = np.exp((similarities - similarities[:, :1]) / 0.07)
    expected = np.stack([np.bincount(labels[p], w, 5) for p, w in zip(places, weights, strict=True)])
    np.testing.assert_allclose(votes.numpy(), expected, rtol=1e-3, atol=1e-4)
