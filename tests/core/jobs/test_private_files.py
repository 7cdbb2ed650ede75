"""Files of the service are its user's alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.private_files import keep_files_private


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_new_files_and_folders_are_private(tmp_path: Path) -> None:
    assert list(keep_files_private(tmp_path / "data")) == []
    (tmp_path / "data" / "logs").mkdir(parents=True)
    (tmp_path / "data" / "signforge.db").touch()
    assert mode(tmp_path / "data") == mode(tmp_path / "data" / "logs") == 0o700
    assert mode(tmp_path / "data" / "signforge.db") == 0o600


@pytest.mark.parametrize("content", [[], ["signforge.db", "logs"]])
def test_a_data_folder_of_an_older_version_is_tightened(tmp_path: Path, content: list[str]) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in content:
        (folder / name).touch()
    assert list(keep_files_private(folder)) == []
    assert mode(folder) == 0o700


def test_a_folder_with_other_things_is_left_alone_with_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "letters.txt").touch()
    (warning,) = keep_files_private(folder)
    assert f"{folder} (mode 755)" in warning
    assert f"chmod 700 {folder}" in warning
    assert mode(folder) == 0o755


@pytest.mark.system
@pytest.mark.parametrize("program", ["worker.reconciler", "worker.main", "api.main"])
def test_each_program_begins_with_it(tmp_path: Path, program: str) -> None:
    """It ends at once, since it cannot open its database; the folder is tightened before."""
    folder = tmp_path / "data"
    (folder / "signforge.db").mkdir(parents=True)
    environment = {
        **os.environ,
        "SIGNFORGE_DATA_FOLDER": str(folder),
        "SIGNFORGE_DATABSE_URL": "sqlite:////nowhere",
    }
    done = subprocess.run(
        [sys.executable, "-m", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0
    assert mode(folder) == 0o700
    said = (
        "There is no setting SIGNFORGE_DATABSE_URL, so it has no effect. Did you mean SIGNFORGE_DATABASE_URL?"
    )
    assert done.stderr.count(said) == 1
