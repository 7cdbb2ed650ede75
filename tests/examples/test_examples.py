"""The examples, as a reader runs them: one after the other, on recordings of synthetic signers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.docs_snippets.reader import PROJECT, Reader
from tests.docs_snippets.session import Background, Session
from tests.system.running_service import RunningService

pytestmark = [pytest.mark.system, pytest.mark.slow]

EXAMPLES = PROJECT / "examples"
MAX_LINES = 60


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("reader"))
    (reader.home / "examples").symlink_to(EXAMPLES)
    with RunningService(reader.data_folder, webhook_private_targets="1"):
        yield reader


@pytest.fixture
def shell(reader: Reader) -> Iterator[Session]:
    session = Session("sh", reader.home, reader.environment)
    yield session
    session.close()


def test_from_recordings_to_a_probe(reader: Reader, shell: Session) -> None:
    shell.run("signforge synthetic recordings --takes 2")
    said = shell.run("python examples/submit_and_wait.py recordings --test-signer signer-03 --epochs 1")
    assert said.split("kNN")[0].split() == [
        "import:",
        "succeeded",
        "pretrain:",
        "succeeded",
        *said.split()[4:6],
    ]
    assert "downloaded: example-v1.safetensors" in said

    said = shell.run(
        "python examples/embed_folder.py example-v1.safetensors recordings --out own.npz --show 2"
    )
    assert "own.npz: 40 clips, 616 numbers each" in said
    assert said.count("is most like") == 2

    shell.run("signforge embed example-v1.safetensors recordings --out features.npz")
    assert_probes_end_with_a_mean(executed(EXAMPLES / "probe_my_features.ipynb", reader))


def test_a_failed_job_ends_the_example_with_its_message(shell: Session) -> None:
    shell.run("mkdir -p empty && echo nothing > empty/readme.txt")
    said = shell.run(
        "python examples/submit_and_wait.py empty --test-signer anna --name none && exit 1 || true"
    )
    assert "import: failed" in said
    assert "job_" in said


def test_the_receiver_prints_what_is_signed_and_refuses_the_rest(reader: Reader, shell: Session) -> None:
    shell.run("signforge webhooks add http://127.0.0.1:8798/hook > secret.txt")
    command = "exec python examples/webhook_receiver.py secret.txt --port 8798"
    receiver = Background(command, reader.home, reader.environment)
    try:
        receiver.wait_until("listening")
        shell.run("signforge webhooks test $(signforge webhooks list --json | jq -r '.[0].id')")
        assert receiver.wait_until("webhook.test").count("webhook.test") == 1
        forged = (
            "curl -s -o /dev/null -w '%{http_code}' -d '{}' -H 'webhook-id: msg_1' http://127.0.0.1:8798/hook"
        )
        assert shell.run(forged).strip() == "400"
    finally:
        receiver.close()


def test_they_are_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    cells = nbformat.read(EXAMPLES / "probe_my_features.ipynb", as_version=4).cells
    lengths["probe_my_features.ipynb"] = sum(len(cell.source.splitlines()) for cell in cells)
    assert len(lengths) == 4
    assert max(lengths.values()) <= MAX_LINES, lengths


def executed(path: Path, reader: Reader) -> nbformat.NotebookNode:
    """Run a notebook in a kernel of its own, in the reader's folder."""
    target = reader.home / path.name
    target.write_bytes(path.read_bytes())
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", "--inplace", target.name]
    environment = {**reader.environment, "IPYTHONDIR": str(reader.home / "ipython")}
    done = subprocess.run(
        command, cwd=reader.home, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return nbformat.read(target, as_version=4)


def assert_probes_end_with_a_mean(notebook: nbformat.NotebookNode) -> None:
    said = "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []))
    assert "example: 40 clips, 616 numbers each" in said
    means = [float(line.split()[-3]) for line in said.splitlines() if line.startswith("mean")]
    assert len(means) == 2
    assert all(0 <= mean <= 1 for mean in means)
