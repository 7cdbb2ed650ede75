"""What counts as a file of a folder, and what is left out by name."""

import os
from pathlib import Path

import pytest

from core.corpora.folder_files import describe_left_out, files_below
from core.corpora.readers.untrusted.unpack import UnpackLimits, unpack
from core.corpora.source_digest import SourceDigest
from core.errors import CorpusError
from signforge.client.transport.packing import as_one_file
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips, one of them a link, and all that nobody should open."""
    clips = tmp_path / "clips"
    written.write_pose(clips / "a.pose", coco_keypoints(2))
    written.write_pose(tmp_path / "elsewhere" / "c.pose", coco_keypoints(3))
    os.mkfifo(clips / "b.pose")
    (clips / "c.pose").symlink_to(tmp_path / "elsewhere" / "c.pose")
    (clips / "endless.pose").symlink_to("/dev/zero")
    (clips / "gone.pose").symlink_to("nowhere")
    (clips / "loop").symlink_to(clips)
    (clips / ".hidden.pose").symlink_to("nowhere")
    return clips


def test_regular_files_and_links_to_them_are_read_and_the_rest_is_named(folder: Path) -> None:
    (folder / "other").symlink_to(folder.parent / "elsewhere")
    result = read(folder)
    assert [clip.name for clip in result.clips] == ["a", "c"]
    (note,) = result.report.notes
    assert note.startswith("5 entries were left out: 'loop', 'other', 'b.pose', 'endless.pose', 'gone.pose'.")
    with SourceDigest(folder) as digest:
        assert len(digest.wait(lambda: None)) == 64


def test_an_upload_holds_the_same(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.link(folder / "a.pose", folder / "twin.pose")
    with as_one_file(folder) as packed:
        unpacked = folder.parent / "unpacked"
        unpack(packed, unpacked, limits=UnpackLimits())
        assert [clip.name for clip in read(unpacked).clips] == ["a", "c", "twin"]
    assert "4 entries were left out: 'loop', 'b.pose', 'endless.pose', 'gone.pose'." in caplog.text


def test_a_folder_of_nothing_but_such_things_says_what_they_are(folder: Path) -> None:
    for name in ("a.pose", "c.pose"):
        (folder / name).unlink()
    with pytest.raises(
        CorpusError, match=r"clips has no readable files\. 4 entries were left out: 'loop', 'b"
    ):
        read(folder)
    with (
        pytest.raises(CorpusError, match=r"clips has no files in it\. 4 entries were left out: 'loop', 'b"),
        as_one_file(folder),
    ):
        pass


def test_files_come_folder_by_folder(tmp_path: Path) -> None:
    for name in ("b/2.npy", "b/1.npy", "a/x/1.npy", "a/3.npy", "a-b/1.npy", "z.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in files_below(tmp_path).files]
    assert names == ["z.txt", "a/3.npy", "a/x/1.npy", "a-b/1.npy", "b/1.npy", "b/2.npy"]


def test_of_many_a_few_are_named(tmp_path: Path) -> None:
    sentence = describe_left_out([tmp_path / str(number) for number in range(7)], tmp_path)
    assert sentence.startswith("7 entries were left out: '0', '1', '2', '3', '4' and 2 more.")
