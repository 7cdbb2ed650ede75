"""Quality metrics against closed forms and embeddings with known values."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from core.training.quality import (
    alignment,
    collapse,
    effective_rank,
    instance_accuracy,
    knn_accuracy,
    queue_similarity,
    uniformity,
)


def on_a_sphere(count: int, width: int, *, seed: int = 0) -> torch.Tensor:
    points = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(points, dim=1)


def test_alignment_is_the_mean_square_distance_of_two_views() -> None:
    one, other = torch.eye(3), torch.eye(3).roll(1, dims=0)
    assert alignment(one, one) == 0
    assert alignment(one, other) == pytest.approx(2)
    assert alignment(one, -one) == pytest.approx(4)


@given(st.integers(2, 12), st.integers(2, 6), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_uniformity_is_the_log_of_the_mean_potential(count: int, width: int, seed: int) -> None:
    points = on_a_sphere(count, width, seed=seed)
    potentials = [
        math.exp(-2 * float((points[i] - points[j]).square().sum())) for i in range(count) for j in range(i)
    ]
    assert uniformity(points) == pytest.approx(math.log(sum(potentials) / len(potentials)), abs=1e-5)


def test_uniformity_is_0_at_a_point_and_about_minus_4_all_over_a_sphere() -> None:
    assert uniformity(torch.ones(20, 8) / math.sqrt(8)) == pytest.approx(0, abs=1e-9)
    assert uniformity(on_a_sphere(300, 128)) == pytest.approx(-4, abs=0.1)


@pytest.mark.parametrize("dimensions", [1, 2, 5, 8])
def test_the_effective_rank_of_equal_directions_is_their_number(dimensions: int) -> None:
    assert effective_rank(torch.eye(8)[:dimensions].repeat(4, 1)) == pytest.approx(dimensions, rel=1e-3)
    assert effective_rank(3 * torch.eye(8)[:dimensions]) == pytest.approx(dimensions, rel=1e-3), "of any size"


def test_a_line_counts_for_one_dimension_and_weak_ones_for_little() -> None:
    assert effective_rank(torch.ones(10, 4)) == pytest.approx(1, rel=1e-3)
    weak = torch.diag(torch.tensor([1.0, 1e-3, 1e-3]))
    assert 1 < effective_rank(weak) < 1.1
    assert effective_rank(torch.zeros(5, 3)) == pytest.approx(1, rel=1e-3), "nothing is at most one dimension"


def test_queue_similarity_is_the_mean_of_all_cosines() -> None:
    embeddings, queue = on_a_sphere(7, 5), on_a_sphere(11, 5, seed=1)
    assert queue_similarity(embeddings, queue) == pytest.approx(
        float((embeddings @ queue.T).mean()), abs=1e-6
    )
    assert queue_similarity(queue[:1], queue[:1]) == pytest.approx(1)


def test_instance_accuracy_counts_clips_whose_views_find_each_other() -> None:
    views = torch.eye(4)
    assert instance_accuracy(views, views) == 1
    assert instance_accuracy(views, views[[1, 0, 2, 3]]) == pytest.approx(1 / 2)
    assert instance_accuracy(torch.ones(4, 4) / 2, torch.ones(4, 4) / 2) == 0, "a tie counts against it"
    assert torch.equal(views, torch.eye(4)), "and nothing is changed"


def test_knn_accuracy_is_the_share_of_queries_whose_gloss_wins() -> None:
    gallery, labels = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    known = {"num_neighbours": 4, "temperature": 0.07}
    assert knn_accuracy(gallery, labels, torch.eye(3), torch.arange(3), **known) == 1
    assert knn_accuracy(gallery, labels, torch.eye(3), torch.tensor([0, 2, 1]), **known) == pytest.approx(
        1 / 3
    )
    few = knn_accuracy(gallery[:2], labels[:2], torch.eye(3)[:2], torch.arange(2), **known)
    assert few == 1, "at most all of the gallery"


def test_collapse_names_the_stream_and_the_reason() -> None:
    def seen(spread: float, rank: float, found: float, stream: str = "motion") -> dict[str, float]:
        values = {"uniformity": spread, "effective_rank": rank, "instance_accuracy": found}
        return {f"quality/{name}/{stream}": value for name, value in values.items()}

    healthy = seen(-1.3, 7.0, 0.95, stream="joint")
    assert collapse({**healthy, "loss": 0.0}) == collapse({}) == []
    (point,) = collapse({**healthy, **seen(-0.001, 7.0, 0.0)})
    assert "the motion embeddings are almost one point" in point
    assert "uniformity -0.001" in point
    assert len(collapse(seen(-1.0, 1.04, 0.02))) == 1, "one line"
    assert collapse(seen(-0.004, 1.3, 0.2)) == [], "a narrow cone in which views find each other"
    assert collapse(seen(-1.0, 7.0, 0.02)) == [], "views that disagree are no collapse"
