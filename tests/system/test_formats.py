"""`signforge corpora add` on a real file of each format, from the command line to the printed report."""

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from signforge.cli import app
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import holistic_keypoints
from tests.system.running_service import RunningService

pytestmark = [pytest.mark.system, pytest.mark.slow]


def add(source: Path, name: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["corpora", "add", str(source), "--name", name, *options])


@pytest.mark.timeout(300)
def test_every_format_from_the_shell(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats = shared_data / "formats"
    square = ("--image-width", "1000", "--image-height", "1000")
    cut = tmp_path / "cut.pose"
    cut.write_bytes((formats / "pose_format" / "openpose.pose").read_bytes()[:-1000])
    wlasl = tmp_path / "wlasl"
    shutil.copytree(shared_data / "annotations", wlasl, ignore=shutil.ignore_patterns("MSASL*"))
    shutil.copy(formats / "mmpose_json_133" / "clip_133.npz", wlasl / "69241.npz")
    rows = written.write_asl_signs(tmp_path / "rows.parquet", holistic_keypoints(1, 4)[0])
    with RunningService(tmp_path / "service"):
        monkeypatch.setenv("SIGNFORGE_DATA_FOLDER", str(tmp_path / "service"))
        for name, source, options, seconds in (
            ("pose", formats / "pose_format", (), "14.167 in all"),
            ("openpose", formats / "openpose_json", square, None),
            ("mmpose", formats / "mmpose_json_133" / "results_clip.json", square, None),
            ("npz", formats / "mmpose_json_133" / "clip_133.npz", (), " 3.875\n"),
            ("rows", rows, (), None),
            ("wlasl", wlasl, ("--classes", "100"), " 3.875\n"),
        ):
            result = add(source, name, *options)
            assert result.exit_code == 0, result.output
            assert re.search(r"clips read +\d", result.stdout)
            assert ("unknown (1 clip)" if seconds is None else seconds) in result.stdout
            assert "frames per clip" in CliRunner().invoke(app, ["corpora", "show", name]).stdout
        for source, options, message in (
            (cut, (), "is damaged: its header states"),
            (
                wlasl,
                ("--classes", "300"),
                "benchmark_classes (--classes) is 300, but the source has only 100 classes",
            ),
            (formats / "openpose_json", (), "Set image_width and image_height"),
            (formats / "pose_format", ("--format", "mp_data"), "has the format pose_format, not mp_data"),
        ):
            refused = add(source, "refused", *options)
            assert refused.exit_code == 1
            assert message in refused.stderr
