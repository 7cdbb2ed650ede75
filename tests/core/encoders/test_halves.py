"""What both hands do in each half of a clip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.augment.hand_swap import swap_joints
from core.augment.views import ClipBatch, View
from core.encoders.halves import Standardised, by_halves, placed_hands, shown_hands
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.fitting import fit_halves
from core.exchange.graph import random_view
from core.pose.skeleton import HANDS, RIGHT_HAND
from tests.core.corpus_maker import random_corpus
from tests.core.small import REPAIRED


@pytest.fixture
def model() -> ClipEncoder:
    torch.manual_seed(0)
    return ClipEncoder(REPAIRED).eval()


@pytest.mark.parametrize("num_frames", [1, 2, 3, 8])
def test_sums_and_differences_are_means_over_both_halves(num_frames: int) -> None:
    hands = torch.randn(3, 2, num_frames, 5, dtype=torch.float64)
    half = -(-num_frames // 2)
    right, left = hands[:, 0].numpy(), hands[:, 1].numpy()
    wanted = [
        piece[:, part].mean(axis=1)
        for part in (slice(0, half), slice(num_frames - half, num_frames))
        for piece in (right + left, np.abs(right - left))
    ]
    np.testing.assert_allclose(by_halves(hands).numpy(), np.concatenate(wanted, axis=1), atol=1e-12)


def test_a_left_handed_clip_has_the_coordinates_of_its_mirror_image() -> None:
    view = random_view(4, 8, seed=0)
    swapped = swap_joints(view.points.transpose(1, 2), mirror_trunk=True).transpose(1, 2)
    rows = by_halves(shown_hands(placed_hands(view.points), view.hand_visible))
    torch.testing.assert_close(by_halves(shown_hands(placed_hands(swapped), view.hand_visible.flip(2))), rows)


def test_place_and_size_of_a_hand_change_nothing(model: ClipEncoder) -> None:
    view = random_view(4, 8, seed=1)
    moved = view.points.clone()
    moved[:, :, RIGHT_HAND] = 0.5 * moved[:, :, RIGHT_HAND] + 0.1
    with torch.no_grad():
        torch.testing.assert_close(
            model.embed_view(View(moved, view.hand_visible)), model.embed_view(view), atol=1e-5, rtol=1e-4
        )


def test_points_of_a_hand_that_is_not_visible_change_no_half(model: ClipEncoder) -> None:
    view = random_view(4, 8, seed=2)
    view.hand_visible[:] = False
    other = view.points.clone()
    other[:, :, HANDS] = torch.rand_like(other[:, :, HANDS])
    with torch.no_grad():
        rows = model.rows_of_halves(view, model(view))
        assert all(found.abs().max() == 0 for found in rows.values())
        for name, found in model.rows_of_halves(View(other, view.hand_visible), model(view)).items():
            torch.testing.assert_close(found, rows[name])


def test_rows_are_standardised_and_of_unit_length() -> None:
    rows = torch.randn(500, 6) * torch.arange(1, 7) + 3
    piece = Standardised(6)
    piece.fit(rows)
    scaled = (rows - rows.mean(dim=0)) / rows.std(dim=0, correction=0)
    torch.testing.assert_close(piece(rows), functional.normalize(scaled, dim=1), atol=1e-5, rtol=1e-5)


def test_a_feature_that_hardly_moved_does_not_outweigh_the_others() -> None:
    rows = torch.randn(500, 6)
    rows[:, 0] = 0
    piece = Standardised(6)
    piece.fit(rows)
    later = torch.randn(1, 6)
    later[0, 0] = 0.5
    assert piece(later)[0, 0].abs() < 1
    assert (piece.deviation > 0.05).all()


def test_equal_clips_have_finite_rows() -> None:
    piece = Standardised(3)
    piece.fit(torch.ones(5, 3))
    assert piece(torch.ones(1, 3)).abs().max() == 0


def test_statistics_are_those_of_the_clips(model: ClipEncoder, tmp_path: Path) -> None:
    corpus = random_corpus(tmp_path / "corpus")
    clips = np.arange(len(corpus))
    fit_halves(model, corpus, clips)
    view = model.centre_view(ClipBatch.of(corpus.gather(clips), torch.device("cpu")))
    with torch.no_grad():
        rows = model.rows_of_halves(view, model(view))
    assert set(rows) == {"joint", "motion", "points"}
    for name, found in rows.items():
        torch.testing.assert_close(model.halves[name].mean, found.mean(dim=0), atol=1e-5, rtol=1e-4)
