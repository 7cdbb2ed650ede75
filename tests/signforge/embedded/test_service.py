import shlex
import socket
import sys
from pathlib import Path

import psutil
import pytest

from signforge.client import Client
from signforge.client.errors import ConnectionFailed
from signforge.embedded.children import wait_until
from tests.system.running_service import RunningService, none_left, start_up

pytestmark = pytest.mark.system
_NO_JOBS = {"warm_start": "false"}
"""Nothing here runs a job, so nothing has to be loaded for one."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder may have any name."""
    return tmp_path / "around" / 'run #1? 50%25\nline; "é" *[x] \\ '


def test_it_starts_is_found_and_stops_without_a_trace(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningService(folder, **_NO_JOBS) as service:
        told = service.said.split("export SIGNFORGE_DATA_FOLDER=")[1].split("signforge is ready")[0]
        monkeypatch.setenv("SIGNFORGE_DATA_FOLDER", shlex.split(told)[0])
        with Client() as client:
            assert client.jobs.list() == []
        assert (folder / "signforge.db").is_file()
        assert list((tmp_path / "around").iterdir()) == [folder]
        there = [folder, *folder.rglob("*")]
        assert len(there) > 8
        assert not [path for path in there if path.stat().st_mode & 0o077]
        processes = service.processes()
        assert len(processes) >= 5

        second = start_up("--data", str(service.folder), "--port", "0")
        told, _ = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"process {processes[0].pid}" in told
        assert "--data" in told
        with Client() as client:
            assert client.jobs.list() == []

        assert service.stop() == 0
        assert none_left(processes)
        assert not (service.folder / "address").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_nothing_but_the_data_outlives_a_service_that_was_killed(tmp_path: Path) -> None:
    """Its API key is data; a lost one is replaced."""
    folder = tmp_path / ("x" * 120)
    with RunningService(folder, **_NO_JOBS) as service:
        first = (folder / "api_key").read_text()
        processes = service.processes()
        processes[0].kill()
        assert none_left(processes)
    with RunningService(folder, **_NO_JOBS) as service, service.client() as client:
        assert client.jobs.list() == []
        assert (folder / "api_key").read_text() == first
    assert (folder / "api_key").read_text() == first, "nor does a service that stops take it along"
    (folder / "api_key").unlink()
    with RunningService(folder, **_NO_JOBS) as service, service.client() as client:
        assert len(client.api_keys.list()) == 2


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start_up("--data", str(tmp_path / "data"), port=str(port))
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told.startswith("Error: "), "nothing is said of a service that does not start"
    assert f"port {port}" in told
    assert "SIGNFORGE_PORT" in told
    assert "Traceback" not in told


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://ada:lovelace@127.0.0.1:9/signforge"
    process = start_up("--data", str(tmp_path / "data"), "--port", "0", database_url=url)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "SIGNFORGE_DATABASE_URL" in told
    assert "lovelace" not in told
    assert "Traceback" not in told


def test_a_part_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "valkey-log").write_text("a file where the broker's folder should be")
    process = start_up("--data", str(folder), "--port", "0")
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(folder / "logs" / "broker.log") in told
    assert "valkey-log" in told


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("broker_url", "pigeon://ada:secret@loft", "does not begin with"),
        ("database_url", "postgresql://ada:se@cret@host/x", "write characters such as @"),
        ("otel_endpoint", "http://ada:secret\n@host", "line break"),
        ("s3_secret_access_key", "sec ret", "a space"),
        ("port", "eighty", "(got 'eighty')"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line_that_names_it(
    tmp_path: Path, setting: str, value: str, said: str
) -> None:
    process = start_up("--data", str(tmp_path / "data"), **{setting: value})
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.startswith(f"Error: SIGNFORGE_{setting.upper()}: ")
    assert (said in told, told.count("\n")) == (True, 1)
    assert not any(secret in told for secret in ("secret", "cret@", "sec ret"))


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    with RunningService(tmp_path / "data", **_NO_JOBS) as service, service.client() as client:
        for word in ("api.main", "worker.reconciler", "valkey-server"):
            (victim,) = [each for each in service.processes() if word in " ".join(each.cmdline())]
            victim.kill()
            assert wait_until(
                lambda word=word, dead=victim.pid: any(
                    word in " ".join(_words(each)) and each.pid != dead for each in service.processes()
                ),
                seconds=20,
            )

        def answers() -> bool:
            try:
                return client.jobs.list() == []
            except ConnectionFailed:
                return False

        assert wait_until(answers, seconds=20)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
