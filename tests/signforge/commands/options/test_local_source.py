"""What is told about a source before anything is sent: `corpora add` has no service to send to."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from signforge.cli import app
from signforge.commands.options.local_source import labels_inside


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNFORGE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SIGNFORGE_API_KEY", "none")
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "signs"
    (source / "tables").mkdir(parents=True)
    (source / "tables" / "mine.csv").write_text("name,label\n")
    (source / "a.npz").write_bytes(b"poses")
    (tmp_path / "elsewhere.csv").write_text("name,label\n")
    return source


def run(command: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["corpora", command, *words])


@pytest.mark.parametrize("named", ["tables/mine.csv", "mine.csv"])
def test_a_table_by_its_path_or_name_inside(folder: Path, named: str) -> None:
    assert labels_inside(folder, named) == named


def test_a_table_by_its_path_from_here(folder: Path) -> None:
    assert labels_inside(folder, "signs/tables/mine.csv") == "tables/mine.csv"
    assert labels_inside(Path("signs"), str(folder / "tables" / "mine.csv")) == "tables/mine.csv"
    assert labels_inside(folder, None) is None


@pytest.mark.parametrize("command", ["add", "check"])
def test_a_table_that_is_elsewhere_is_told_before_the_upload(folder: Path, command: str) -> None:
    done = run(command, str(folder), "--labels", "elsewhere.csv")
    assert done.exit_code == 1
    assert f"must lie inside PATH ({folder}); --labels elsewhere.csv does not" in done.stderr
    missing = run(command, str(folder), "--labels", "no/such.csv")
    assert f"--labels is 'no/such.csv', but {folder} has no such file" in missing.stderr


@pytest.mark.parametrize("command", ["add", "check"])
@pytest.mark.parametrize("ending", [".mp4", ".MOV", ".webm"])
def test_videos_are_told_before_the_upload(folder: Path, command: str, ending: str) -> None:
    (folder / "a.npz").rename(folder / f"a{ending}")
    (folder / "tables" / "mine.csv").rename(folder / "labels.csv")
    done = run(command, str(folder))
    assert done.exit_code == 1
    assert f"{folder} has videos ({ending.lower()}). signforge reads poses: run a pose" in done.stderr
    alone = run(command, str(folder / f"a{ending}"))
    assert "has videos" in alone.stderr


@pytest.mark.parametrize("command", ["add", "check"])
def test_a_workbook_of_labels_is_told(folder: Path, command: str) -> None:
    (folder / "labels.xlsx").write_bytes(b"PK")
    assert "Save it as CSV: labels.csv." in run(command, str(folder)).stderr
