import csv
from pathlib import Path

from typer.testing import CliRunner

from signforge import read_clips
from signforge.cli import app
from signforge.encoder import read_named_clips


def write(folder: Path, *options: str) -> None:
    done = CliRunner().invoke(app, ["synthetic", str(folder), *options])
    assert done.exit_code == 0, done.output


def test_what_it_writes_is_read_with_labels_and_signers(tmp_path: Path) -> None:
    write(tmp_path / "new" / "recordings", "--signs", "2", "--signers", "3", "--takes", "1")
    clips = read_named_clips(tmp_path / "new" / "recordings")
    assert len(clips) == 6
    assert {clip.signer for clip in clips} == {"signer-00", "signer-01", "signer-02"}
    with (tmp_path / "new" / "recordings" / "labels.csv").open() as file:
        assert {row["label"] for row in csv.DictReader(file)} == {clip.label for clip in clips}


def test_the_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("one", "1"), ("same", "1"), ("other", "2")):
        write(tmp_path / name, "--signs", "1", "--signers", "1", "--takes", "1", "--seed", seed)
    one, same, other = (read_clips(tmp_path / name)[0].points for name in ("one", "same", "other"))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["synthetic", str(tmp_path)])
    assert done.exit_code == 1
    assert "exists. Choose a new folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["synthetic", str(tmp_path / "file" / "below")])
    assert done.exit_code == 1
    assert "Cannot write to" in done.stderr


def test_a_seed_that_is_too_large_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["synthetic", str(tmp_path / "new"), "--seed", str(2**32)])
    assert done.exit_code == 1
    assert done.stderr == "Error: /seed: Input should be less than 4294967296 (got 4294967296).\n"
    assert not (tmp_path / "new").exists()
