"""Benchmarks with a damaged file: refused, or its clips skipped, and never a crash."""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import CorpusError
from tests.core.corpora.readers.benchmarks.conftest import JOINTS, SIZE, read
from tests.core.corpora.readers.conftest import coco_keypoints

POSE = coco_keypoints(2).astype("f4")


def make_lists(folder: Path) -> None:
    (folder / "classInd.txt").write_text("1 book\n2 drink\n")
    (folder / "trainlist01.txt").write_text("a.mp4 1\nb.mp4 2\n")
    (folder / "a.pkl").write_bytes(pickle.dumps(POSE))
    (folder / "b.pkl").write_bytes(pickle.dumps({"keypoints": list(POSE), "width": 640, "height": 480}))


def make_wlasl(folder: Path) -> None:
    video = {"video_id": "1", "split": "train", "signer_id": 5}
    (folder / "WLASL_v0.3.json").write_text(json.dumps([{"gloss": "book", "instances": [video]}]))
    (folder / "nslt_100.json").write_text(json.dumps({"1": {"subset": "train", "action": [0, 1, 9]}}))
    np.savez(folder / "1.npz", keypoints=POSE)


def make_msasl(folder: Path) -> None:
    entry = {"label": 0, "text": "book", "signer_id": 5, "width": 640.0, "height": 480.0}
    (folder / "MSASL_train.json").write_text(json.dumps([entry]))
    (folder / "MSASL_classes.json").write_text(json.dumps(["book"]))
    (folder / "train_00000.pkl").write_bytes(pickle.dumps(POSE))


def make_nla_slr(folder: Path) -> None:
    (folder / "keypoints_hrnet.pkl").write_bytes(pickle.dumps({"a": POSE, "b": {"keypoints": POSE}}))
    (folder / "train.pkl").write_bytes(pickle.dumps([{"name": name, "label": "book"} for name in "ab"]))


def make_dsta_slr(folder: Path) -> None:
    joints = POSE[None, :, JOINTS, :, None].transpose(0, 3, 1, 2, 4)  # (1, 3, T, 27, 1)
    np.save(folder / "train_data_joint.npy", np.ascontiguousarray(joints))
    (folder / "train_label.pkl").write_bytes(pickle.dumps((["a"], [0])))


def make_uni_sign(folder: Path) -> None:
    pose = {"keypoints": [frame[None, :, :2] / SIZE for frame in POSE], "scores": list(POSE[:, None, :, 2])}
    (folder / "1.pkl").write_bytes(pickle.dumps(pose))
    labels = {"1": {"name": "1", "video_path": "1.mp4", "text": "book", "gloss": ["book"]}}
    (folder / "labels-100.train").write_bytes(gzip.compress(pickle.dumps(labels)))


MAKERS: dict[str, Callable[[Path], None]] = {
    "benchmark_lists": make_lists,
    "wlasl": make_wlasl,
    "msasl": make_msasl,
    "nla_slr": make_nla_slr,
    "dsta_slr": make_dsta_slr,
    "uni_sign": make_uni_sign,
}
OF_A_CLIP = ("listed clips has a pose file below ", "is listed as ", "is listed with two labels")
"""Refusals that name a clip in place of a file: in lists damage may make another name, which is one."""
layouts = pytest.mark.parametrize("layout", MAKERS)


@layouts
def test_the_layout_is_recognised(tmp_path: Path, layout: str) -> None:
    MAKERS[layout](tmp_path)
    result = read(tmp_path, wanted=layout)
    assert result.clips
    assert not result.report.skipped
    with pytest.raises(
        CorpusError, match=rf"has the format {layout}, not mp_data. Set format \(--format\) to 'auto'"
    ):
        read(tmp_path, wanted="mp_data")


@layouts
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_named_or_its_clips_are_skipped(layout: str, tmp_path: Path, data: st.DataObject) -> None:
    if not any(tmp_path.iterdir()):
        MAKERS[layout](tmp_path)
    path = data.draw(st.sampled_from(sorted(tmp_path.iterdir())))
    whole = path.read_bytes()
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, 500)) | st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        result = read(tmp_path)
    except CorpusError as error:
        named = (path.name, *OF_A_CLIP)
        assert any(name in str(error) for name in named)  # noqa: PT017 - either outcome is right
        return
    finally:
        path.write_bytes(whole)
    assert all(np.isfinite(clip.clip.points).all() for clip in result.clips)
