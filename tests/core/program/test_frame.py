"""How programs end: with a result, an error, or a saved stop."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.errors import CorpusError, Stopped
from core.program.frame import EXIT_DONE, EXIT_REFUSED, EXIT_STOPPED, Launch, main
from core.specs.run import RunConfig


def counting(launch: Launch[RunConfig]) -> Mapping[str, object]:
    """Count to the seed."""
    launch.observer.on_phase("counting", total_steps=launch.spec.seed)
    for number in range(launch.spec.seed):
        launch.observer.on_step(number + 1, {"half": number / 2})
    return {"counted": launch.spec.seed}


def refusing(launch: Launch[RunConfig]) -> Mapping[str, object]:
    """Refuse."""
    raise CorpusError("No clips in x.npz; name another file.")


def stopping(launch: Launch[RunConfig]) -> Mapping[str, object]:
    """Stop."""
    raise Stopped("Stopped at step 3.")


def full(launch: Launch[RunConfig]) -> Mapping[str, object]:
    """Fill the disk."""
    raise OSError(28, "No space left on device")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    path.write_text('{"seed": 2}')
    return path


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_program_reports_and_leaves_its_result(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--spec", str(spec), "--out", str(tmp_path / "out"), "--events"]
    assert main(counting, RunConfig, arguments=command) == EXIT_DONE
    kinds = [event["event"] for event in events(capsys)]
    assert kinds == ["phase", "step", "step", "result"]
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == {"counted": 2}


def test_a_journal_has_the_same_events_and_survives_a_full_disk(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "out" / "events.jsonl"
    command = ["--spec", str(spec), "--out", str(tmp_path / "out"), "--events", "--journal"]
    assert main(counting, RunConfig, arguments=[*command, str(journal)]) == EXIT_DONE
    told = events(capsys)
    assert [json.loads(line) for line in journal.read_text().splitlines()] == told
    assert main(counting, RunConfig, arguments=[*command, "/dev/full"]) == EXIT_DONE
    assert events(capsys) == told


def test_without_events_a_person_can_read_it(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(counting, RunConfig, arguments=["--spec", str(spec), "--out", str(tmp_path)]) == EXIT_DONE
    assert "step       step=2  half=0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("program", "code", "event", "words"),
    [
        (refusing, EXIT_REFUSED, {"event": "error", "reason": "data_unusable"}, "name another file"),
        (full, EXIT_REFUSED, {"event": "error", "reason": "storage_full"}, "Free some space"),
        (stopping, EXIT_STOPPED, {"event": "stopped"}, "step 3"),
    ],
)
def test_an_error_is_reported(
    spec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    program: object,
    code: int,
    event: dict[str, str],
    words: str,
) -> None:
    command = ["--spec", str(spec), "--out", str(tmp_path), "--events"]
    assert main(program, RunConfig, arguments=command) == code  # type: ignore[arg-type]
    (said,) = events(capsys)
    assert event.items() <= said.items()
    assert words in str(said["message"])


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "Cannot read"), ("{", "is invalid"), ('{"sed": 1}', "/sed"), ('{"seed": -1}', "/seed")],
)
def test_a_bad_specification_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
) -> None:
    spec = tmp_path / "spec.json"
    if content is not None:
        spec.write_text(content)
    command = ["--spec", str(spec), "--out", str(tmp_path), "--events"]
    assert main(counting, RunConfig, arguments=command) == EXIT_REFUSED
    (said,) = events(capsys)
    assert words in str(said["message"])


def test_finish_flushes_output() -> None:
    code = (
        "import atexit; from core.program.frame import finish; "
        "atexit.register(print, 'at the end'); print('written', end=', '); finish(75)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (EXIT_STOPPED, "written, at the end\n", "")


def tabling(launch: Launch[RunConfig]) -> Mapping[str, object]:
    """Give a large table."""
    return {"top1": 0.25, "scores": {"per_clip": [{"clip": str(number)} for number in range(5000)]}}


def test_a_large_table_is_cut_for_people_and_whole_in_the_file(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tabling, RunConfig, arguments=["--spec", str(spec), "--out", str(tmp_path)]) == EXIT_DONE
    shown = capsys.readouterr().out
    assert "top1=0.25" in shown
    assert "result.json has all" in shown
    assert len(shown) < 3000
    assert len(json.loads((tmp_path / "result.json").read_text())["scores"]["per_clip"]) == 5000
