"""`signforge run`: a job's program on this machine, without any service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.corpora.packed import PackedCorpus
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.program.frame import EXIT_REFUSED
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import PretrainSpec
from signforge.cli import app

pytestmark = pytest.mark.slow

POSES = SyntheticConfig(num_signs=3, num_signers=2, takes_per_sign=2)


def run(folder: Path, document: object) -> "subprocess.CompletedProcess[str]":
    """Run it as a person would, from a folder that holds a `core` of its own."""
    (folder / "core").mkdir(exist_ok=True)
    (folder / "core" / "__init__.py").write_text("raise RuntimeError('the wrong core')\n")
    (folder / "spec.json").write_text(json.dumps(document))
    program = "import sys; from signforge.cli import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", program, "run", "spec.json", "--out", "out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_import_makes_a_corpus(tmp_path: Path) -> None:
    save_npz(generate(POSES), tmp_path / "poses.npz")
    spec = ImportSpec(name="signs", source=str(tmp_path / "poses.npz"))
    done = run(tmp_path, spec.model_dump(mode="json"))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    corpus = PackedCorpus.open(tmp_path / "out" / result["corpus"])
    assert (len(corpus), result["num_clips"]) == (POSES.num_clips, POSES.num_clips)


def test_what_the_program_refuses_is_told_with_its_exit_code(tmp_path: Path) -> None:
    spec = PretrainSpec(corpus=str(tmp_path / "nowhere"), recipe="smoke")
    refused = run(tmp_path, spec.model_dump(mode="json"))
    assert refused.returncode == EXIT_REFUSED
    assert "nowhere" in refused.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"kind": "leak_audi"}', "Did you mean 'leak_audit'?"),
        ('{"corpus": "c"}', "set `kind` to one of import, pretrain, evaluate"),
        ("[1]", "it holds list"),
        ("{", "is not JSON: Expecting property name"),
        ("<html>", "is not JSON: it seems to be a web page (HTML)"),
    ],
)
def test_a_file_that_names_no_kind_starts_nothing(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)
    refused = CliRunner().invoke(app, ["run", str(file), "--out", str(tmp_path / "out")])
    assert refused.exit_code == 1
    assert words in refused.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()
