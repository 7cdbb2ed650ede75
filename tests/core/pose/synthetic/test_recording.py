"""Whole recordings: shapes, determinism, the stream of clips, the file."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import UserError
from core.pose.normalise import PROFILES, normalise
from core.pose.synthetic.recording import (
    SyntheticConfig,
    SyntheticRecordings,
    generate,
    generate_clips,
    names_of,
    save_npz,
)

SMALL = SyntheticConfig(num_signs=6, num_signers=4, takes_per_sign=4, seed=7)


@pytest.fixture(scope="module")
def recordings() -> SyntheticRecordings:
    return generate(SMALL)


def test_shapes_and_columns(recordings: SyntheticRecordings) -> None:
    assert len(recordings) == SMALL.num_clips == 96
    lengths = np.diff(recordings.offsets)
    assert recordings.keypoints.shape == (recordings.offsets[-1], 133, 3)
    assert recordings.keypoints.dtype == np.float32
    assert recordings.offsets.dtype == np.int64
    assert lengths.min() >= 30
    assert lengths.max() <= 80
    assert np.isfinite(recordings.keypoints).all()
    assert (recordings.width, recordings.height) == (640, 480)


def test_every_signer_makes_every_sign_equally_often_in_every_session(
    recordings: SyntheticRecordings,
) -> None:
    counts = np.zeros((6, 4, 8), dtype=int)
    np.add.at(counts, (recordings.labels, recordings.signer, recordings.session), 1)
    assert (counts.sum(2) == 4).all()
    assert set(np.unique(counts)) == {0, 2}
    np.testing.assert_array_equal(recordings.session // 2, recordings.signer)
    assert len(set(recordings.class_names)) == 6
    assert len(recordings.signer_names) == 4
    assert recordings.session_names[3] == "signer-01-1"
    assert names_of(SMALL).classes == recordings.class_names


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    recordings: SyntheticRecordings,
) -> None:
    assert generate(SMALL).keypoints.tobytes() == recordings.keypoints.tobytes()
    other = generate(SMALL.model_copy(update={"seed": 8}))
    assert other.class_names != recordings.class_names
    assert other.keypoints.tobytes() != recordings.keypoints.tobytes()


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 1), (37, 50), (95, 200), (63, 66)])
def test_the_stream_equals_the_whole_wherever_it_starts(
    recordings: SyntheticRecordings, start: int, stop: int | None
) -> None:
    clips = list(generate_clips(SMALL, start=start, stop=stop))
    assert len(clips) == min(stop or 96, 96) - start
    for index, clip in enumerate(clips, start):
        begin, end = recordings.offsets[index : index + 2]
        assert clip.keypoints.tobytes() == recordings.keypoints[begin:end].tobytes()
        assert (clip.label, clip.signer, clip.session) == (
            recordings.labels[index],
            recordings.signer[index],
            recordings.session[index],
        )


def test_more_takes_leave_the_first_ones_as_they_are(recordings: SyntheticRecordings) -> None:
    more = generate_clips(SMALL.model_copy(update={"takes_per_sign": 9}), stop=30)
    together = np.concatenate([clip.keypoints for clip in more])
    assert together.tobytes() == recordings.keypoints[: recordings.offsets[30]].tobytes()


def test_every_clip_can_be_normalised(recordings: SyntheticRecordings) -> None:
    kept, total = 0, 0
    for begin, end in zip(recordings.offsets[:-1], recordings.offsets[1:], strict=True):
        raw = recordings.keypoints[begin:end]
        normalised = normalise(raw, width=640, height=480, profile=PROFILES["wlasl"])
        kept, total = kept + len(normalised.clip), total + len(raw)
        assert normalised.clip.visible[:, :42].mean() > 0.6
    assert kept > 0.98 * total


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 0.0), (np.float16, 0.26)])
def test_the_file_holds_exactly_the_agreed_arrays(
    recordings: SyntheticRecordings, tmp_path: Path, dtype: type[np.floating], tolerance: float
) -> None:
    save_npz(recordings, tmp_path / "one.npz", dtype=dtype)
    save_npz(recordings, tmp_path / "two.npz", dtype=dtype)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert set(arrays) == {
        "keypoints",
        "offsets",
        "width",
        "height",
        "labels",
        "class_names",
        "signer",
        "signer_names",
        "session",
        "session_names",
    }
    assert arrays["keypoints"].dtype == dtype
    assert np.abs(arrays["keypoints"].astype(np.float32) - recordings.keypoints).max() <= tolerance
    np.testing.assert_array_equal(arrays["offsets"], recordings.offsets)
    assert arrays["session_names"].tolist() == list(recordings.session_names)


def test_a_file_of_another_name_is_refused(recordings: SyntheticRecordings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"clips\.npz"):
        save_npz(recordings, tmp_path / "clips.bin")


def test_an_empty_configuration_is_refused() -> None:
    with pytest.raises(ValidationError):
        SyntheticConfig(num_signs=0)
