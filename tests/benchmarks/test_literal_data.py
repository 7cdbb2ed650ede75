"""The yardstick of the data path is right: the released code's numbers, and our own normalisation's."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.literal_data import LiteralLoader, Video, normalised_frame_by_frame, resized
from core.pose.normalise import PROFILES, normalise
from core.specs.views import ViewConfig
from tests.core.pose.test_normalise import GOLDEN


@pytest.mark.parametrize("video", GOLDEN)
def test_normalisation_is_the_released_one(shared_data: Path, video: str) -> None:
    golden = np.load(shared_data / "golden" / "normalise.npz")
    raw = Video(golden[f"{video}/raw"], *golden[f"{video}/size"].tolist())
    points, visible, kept = normalised_frame_by_frame(raw, PROFILES[GOLDEN[video]])  # type: ignore[index]
    np.testing.assert_array_equal(kept, golden[f"{video}/kept_frames"])
    np.testing.assert_allclose(points, golden[f"{video}/normalised"], atol=1e-5, rtol=0)
    np.testing.assert_array_equal(visible[:, :42], golden[f"{video}/visible"])


@pytest.mark.parametrize("video", GOLDEN)
def test_normalisation_is_our_own_to_the_last_bit(shared_data: Path, video: str) -> None:
    golden = np.load(shared_data / "golden" / "normalise.npz")
    width, height = golden[f"{video}/size"].tolist()
    profile = PROFILES[GOLDEN[video]]  # type: ignore[index]
    points, visible, _ = normalised_frame_by_frame(Video(golden[f"{video}/raw"], width, height), profile)
    clip = normalise(golden[f"{video}/raw"], width=width, height=height, profile=profile).clip
    np.testing.assert_array_equal(points, clip.points)
    np.testing.assert_array_equal(visible, clip.visible)


@pytest.mark.parametrize(("start", "length"), [(0, 85), (5, 32), (11, 47)])
def test_resize_is_the_released_one(shared_data: Path, start: int, length: int) -> None:
    golden = np.load(shared_data / "golden" / "normalise.npz")
    crop = golden["wlasl_640x480/normalised"][start : start + length]
    np.testing.assert_allclose(resized(crop, 64), golden[f"resize/start{start}_length{length}"], atol=1e-5)


def test_a_batch_is_two_stacked_views_of_the_files_asked_for(shared_data: Path, tmp_path: Path) -> None:
    golden = np.load(shared_data / "golden" / "normalise.npz")
    files = []
    for video in ("wlasl_640x480", "slr500"):
        files.append(tmp_path / f"{video}.pickle")
        raw = (golden[f"{video}/raw"], *golden[f"{video}/size"].tolist())
        files[-1].write_bytes(pickle.dumps(raw))
    loader = LiteralLoader(files, PROFILES["wlasl"], ViewConfig())
    batch = loader.batch([0, 1, 0])
    assert [points.shape for points, _ in batch] == [(3, 64, 49, 2)] * 2
    assert [visible.shape for _, visible in batch] == [(3, 64, 2)] * 2
    assert all(points.dtype == torch.float32 for points, _ in batch)
    assert not torch.equal(batch[0][0][0], batch[1][0][0])
