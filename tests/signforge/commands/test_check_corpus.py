"""`signforge corpora check` says what an import would do, and keeps nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from signforge.cli import app
from tests.core.corpora.readers.conftest import holistic_keypoints

RUN = CliRunner()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "signs.npz"
    np.savez_compressed(
        path, keypoints=holistic_keypoints(4, 12).astype("f2"), labels=np.array(["tea", "tea", "Tea", "milk"])
    )
    return path


def test_it_prints_what_an_import_would_understand(source: Path, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["corpora", "check", str(source)])
    assert done.exit_code == 0, done.output
    assert "3: Tea, milk, tea" in done.output
    assert "[similar-names]" in done.output.replace("\n", "")
    assert "An import would be accepted." in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["signs.npz"]


def test_it_exits_with_1_if_an_import_would_be_refused(shared_data: Path) -> None:
    case = shared_data / "cases" / "handedness-swapped" / "swapped.json"
    size = ["--image-width", "640", "--image-height", "480"]
    done = RUN.invoke(app, ["corpora", "check", str(case), *size, "--json"])
    assert done.exit_code == 1
    assert "An import would be refused for: exchanged-hands." in done.stderr
    (found,) = json.loads(done.stdout)["report"]["findings"]
    assert found["code"] == "exchanged-hands"
    assert RUN.invoke(app, ["corpora", "check", str(case), *size, "--sides", "exchange_hands"]).exit_code == 0
    assert (
        RUN.invoke(app, ["corpora", "check", str(case), *size, "--accept", "exchanged-hands"]).exit_code == 0
    )


def test_a_damaged_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.npz").write_bytes(b"PK\x03\x04")
    done = RUN.invoke(app, ["corpora", "check", str(tmp_path / "clip.npz")])
    assert done.exit_code == 1
    assert "clip.npz" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--image-width 640", "image_height (--image-height) is missing; give both width and height"),
        ("--test signer-03", "split.test (--test) is 'signer-03', but split.by (--split-by) is 'given'"),
        (
            "--split-by signer --test-fraction 0",
            "/split/test_fraction: Input should be greater than 0 (got 0.0).",
        ),
        ("--columns gloss=text", "columns (--columns) states gloss, but not which column names the clip"),
    ],
)
def test_options_that_contradict_each_other_are_told_in_a_sentence(
    source: Path, options: str, said: str
) -> None:
    done = RUN.invoke(app, ["corpora", "check", str(source), *options.split()])
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("exchanged-hand", "There is no finding 'exchanged-hand'. Did you mean 'exchanged-hands' or"),
        ("jumps,still-points", "repeat the option: --accept jumps --accept still-points"),
    ],
)
@pytest.mark.parametrize("command", ["corpora check", "corpora add"])
def test_an_unknown_code_is_told_with_the_near_one(source: Path, command: str, code: str, said: str) -> None:
    done = RUN.invoke(app, [*command.split(), str(source), "--accept", code])
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())
    assert "points-at-zero" not in done.stderr


def test_wrong_usage_has_the_exit_code_of_wrong_usage(source: Path) -> None:
    assert RUN.invoke(app, ["corpora", "check", str(source), "--image-width", "wide"]).exit_code == 2
    assert RUN.invoke(app, ["corpora", "check", str(source), "--no-such-option"]).exit_code == 2
