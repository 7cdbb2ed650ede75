"""What can be known of the images without Docker: their commands run in environments with their packages."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from core.jobs.settings import Settings
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from tests.packaging.environments import Environment
from tests.servers.postgres import postgres
from tests.servers.starting import REPOSITORY, start, wait_for
from tests.servers.valkey import Valkey

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
STAGES = dict(re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
POSES = SyntheticConfig(num_signs=2, num_signers=1, takes_per_sign=1)


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_an_image_runs_without_rights_and_tells_its_health(stage: str) -> None:
    lines = STAGES[stage].splitlines()
    assert "USER signforge" in lines
    assert not any(line.startswith(("RUN", "COPY")) for line in lines[lines.index("USER signforge") :])
    assert _command(stage, "CMD") == ["signforge", stage]
    assert _command(stage, "HEALTHCHECK") == ["signforge", "health", stage]


def test_nothing_secret_can_reach_a_layer() -> None:
    assert not re.search(r"PASSWORD|SECRET|TOKEN|API_KEY", DOCKERFILE)
    allowed = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert allowed[1] == "*"
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (REPOSITORY / name).exists()
        assert f"!{name}" in allowed or (name.startswith("requirements") and "!requirements*.txt" in allowed)


def test_the_compose_file_runs_only_commands_that_images_have() -> None:
    services = COMPOSE["services"]
    assert services["reconciler"]["command"] == ["signforge", "reconciler"]
    assert services["reconciler"]["healthcheck"]["test"] == ["CMD", "signforge", "health", "reconciler"]
    assert {name for name, service in services.items() if "healthcheck" not in service} == {
        "api",
        "worker",
        "worker-gpu",
    }  # whose images bring theirs
    for service in services.values():
        assert service.get("build", {}).get("target", "api") in STAGES


@pytest.mark.system
@pytest.mark.slow
def test_the_commands_of_the_images_make_a_cluster(
    api_environment: Environment, worker_environment: Environment, tmp_path: Path
) -> None:
    """As docker-compose.yml does: PostgreSQL, a broker, and each part with the packages of its image."""
    save_npz(generate(POSES), tmp_path / "poses.npz")
    with _cluster(api_environment, worker_environment, tmp_path) as (settings, parts):
        _await_health("api", api_environment, tmp_path, settings)
        _await_health("reconciler", api_environment, tmp_path, settings)
        _await_health("worker", worker_environment, tmp_path, settings)
        made = api_environment.signforge("keys", "bootstrap", "anna", cwd=tmp_path, **settings)
        assert made.returncode == 0, made.stderr
        key = {"SIGNFORGE_API_KEY": made.stdout.strip()}
        words = ["corpora", "add", "poses.npz", "--name", "signs"]
        added = worker_environment.signforge(*words, cwd=tmp_path, **settings, **key)
        assert added.returncode == 0, added.stderr
        listed = api_environment.signforge("corpora", "list", "--json", cwd=tmp_path, **settings, **key)
        assert json.loads(listed.stdout)[0]["summary"]["num_clips"] == POSES.num_clips
        for name in ("worker", "reconciler"):
            parts[name].send_signal(signal.SIGTERM)
            assert parts[name].wait(60) == 0
        gone = worker_environment.signforge("health", "worker", cwd=tmp_path, **settings)
        assert (gone.returncode, gone.stderr) == (
            1,
            "The worker has not sent a heartbeat to the database yet.\n",
        )


def _await_health(part: str, environment: Environment, folder: Path, settings: dict[str, str]) -> None:
    def is_healthy() -> bool:
        return environment.signforge("health", part, cwd=folder, **settings).returncode == 0

    wait_for(is_healthy, within_seconds=60, what=f"a healthy {part}, see {folder / part}.log")


@contextmanager
def _cluster(
    api: Environment, worker: Environment, folder: Path
) -> Iterator[tuple[dict[str, str], dict[str, "subprocess.Popen[bytes]"]]]:
    """The parts with the commands of their images; yields the settings that they share, and the processes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    valkey = Valkey(folder, Settings(data_folder=folder).broker_socket)
    parts: dict[str, subprocess.Popen[bytes]] = {}
    with postgres() as url:
        settings = {
            "SIGNFORGE_DATABASE_URL": url,
            "SIGNFORGE_BROKER_URL": valkey.url,
            "SIGNFORGE_ARTIFACTS": str(folder / "artifacts"),
            "SIGNFORGE_PORT": str(port),
            "SIGNFORGE_URL": f"http://127.0.0.1:{port}",
        }
        commands = {
            "api": [api.command, *_command("api", "CMD")[1:]],
            "reconciler": [api.command, *COMPOSE["services"]["reconciler"]["command"][1:]],
            "worker": [worker.command, *_command("worker", "CMD")[1:]],
        }
        try:
            for name, command in commands.items():
                parts[name] = start(command, log=folder / f"{name}.log", environment=settings)
            yield settings, parts
        finally:
            for process in parts.values():
                process.kill()
                process.wait(10)
            valkey.kill()


def _command(stage: str, instruction: str) -> list[str]:
    """The words of CMD or HEALTHCHECK in a stage."""
    (words,) = re.findall(rf"^{instruction} .*?(\[.*\])$", STAGES[stage], re.MULTILINE)
    found: list[str] = json.loads(words)
    return found
