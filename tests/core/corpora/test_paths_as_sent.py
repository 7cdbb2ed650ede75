"""Messages call files as whoever sent them does, not by where they lie while they are read."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.errors import CorpusError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints

SIZE = {"width": 640, "height": 480}


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    """A clip and a damaged one, in folders."""
    folder = tmp_path / "store" / "upl_1" / "poses"
    (folder / "tea").mkdir(parents=True)
    np.savez(folder / "tea" / "1.npz", keypoints=coco_keypoints(3), **SIZE)
    (folder / "tea" / "2.npz").write_bytes((folder / "tea" / "1.npz").read_bytes()[:-100])
    return folder


def imported(source: Path, out: Path, **options: Any) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    spec = ImportSpec.model_validate({"name": "signs", "source": str(source), **options})
    return import_corpus(spec, out, SilentObserver())


def archived(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


@pytest.mark.parametrize("archive", [True, False])
def test_a_report_names_clips_from_inside_the_source(poses: Path, tmp_path: Path, archive: bool) -> None:
    result = imported(archived(poses) if archive else poses, tmp_path / "out")
    (example,) = result["report"]["examples"]
    assert example.startswith(f"tea/2: {'' if archive else 'poses/'}tea/2.npz is ")


def test_an_error_names_files_from_inside_an_archive(poses: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"^poses\.zip has the format coco_wholebody_133, not mp_data\. Set format"
    ):
        imported(archived(poses), tmp_path / "out", format="mp_data")
    np.savez(poses / "tea" / "1.npz", keypoints=coco_keypoints(3))
    with pytest.raises(CorpusError, match=r"Example: tea/1: tea/1\.npz has no arrays 'width'"):
        imported(archived(poses), tmp_path / "out")


def test_the_only_clip_of_an_archive_is_not_called_as_its_place(tmp_path: Path) -> None:
    written.write_openpose(tmp_path / "flat", coco_keypoints(3))
    for path in (tmp_path / "flat").iterdir():
        path.rename(path.with_name(f"{path.name.split('_')[0]}.json"))
    size = {"image_width": 640, "image_height": 480}
    digests = {imported(archived(tmp_path / "flat"), tmp_path / out, **size)["digest"] for out in "ab"}
    assert len(digests) == 1
    assert PackedCorpus.open(tmp_path / "a" / "corpus").clip_name(0) == "clip"


def test_an_error_names_a_file_alone(poses: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"^2\.npz is damaged"):
        imported(poses / "tea" / "2.npz", tmp_path / "out")
    (poses / "a.zip").write_bytes(archived(poses).read_bytes()[:-1])
    with pytest.raises(CorpusError, match=r"^a\.zip has "):
        imported(poses / "a.zip", tmp_path / "out")
