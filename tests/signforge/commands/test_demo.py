import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import StorageError, UserError
from signforge.commands.demo import DemoSize, run_demo


def test_it_wipes_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not the output of an earlier demo"):
        run_demo(tmp_path, DemoSize())
    assert (tmp_path / "thesis.tex").exists()


def test_it_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        run_demo(tmp_path / "file", DemoSize())


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.slowest  # twenty evaluations
def test_it_ends_with_a_table_and_an_encoder_and_may_be_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "demo-output"
    folder.mkdir()
    (folder / ".made-by-signforge-demo").touch()
    (folder / "of-an-earlier-demo").touch()
    words = ["--out", str(folder), "--signs", "3", "--signers", "4", "--takes", "2", "--epochs", "1"]
    process = subprocess.run(
        [sys.executable, "-m", "signforge.cli", "demo", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    for row in ("raw keypoints", "untrained encoder", "signforge-base", "trained encoder"):
        assert row in process.stdout.split("Top-1 on signers never seen")[1]
    assert (folder / "demo-encoder-v1.safetensors").exists()
    assert not (folder / "of-an-earlier-demo").exists()
    assert not (folder / "service" / "address").exists(), "the service was stopped"
