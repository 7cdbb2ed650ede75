"""`pip install signforge` into an empty environment: the client and the command line, and nothing else."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.packaging.environments import Environment, empty_environment
from tests.servers.api import Api
from tests.servers.starting import REPOSITORY

pytestmark = [pytest.mark.system, pytest.mark.slow]

NOT_A_CLIENTS = {
    "torch",
    "numpy",
    "sqlalchemy",
    "celery",
    "fastapi",
    "alembic",
    "psutil",
    "core",
    "api",
    "worker",
}
NEEDS_MORE = [
    ("all", "up"),
    ("all", "demo"),
    ("api", "api"),
    ("api", "reconciler"),
    ("worker", "worker"),
    ("api", "health", "api"),
    ("api", "keys", "bootstrap", "anna"),
    ("worker", "embed", "encoder.safetensors", "poses.npz"),
    ("worker", "export", "encoder.safetensors"),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = Api(tmp_path_factory.mktemp("service"))
    yield api
    api.close()


@pytest.fixture
def folder_with_our_names(tmp_path: Path) -> Path:
    """Where a user works: their own `core`, `api` and `worker` are there."""
    for name in ("core", "worker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('this is not signforge')")
    (tmp_path / "api.py").write_text("raise SystemExit('this is not signforge')")
    return tmp_path


def test_it_brings_neither_torch_nor_a_database_nor_other_names(
    client_environment: Environment, tmp_path: Path
) -> None:
    program = f"""
import importlib.util, signforge, pathlib
from importlib import metadata
print(*sorted(name for name in {sorted(NOT_A_CLIENTS)} if importlib.util.find_spec(name)))
files = metadata.files("signforge")
print(*sorted({{path.parts[0] for path in files}} - {{".."}}))
print((pathlib.Path(signforge.__file__).parent / "py.typed").is_file(), len(signforge.__all__))
signforge.Client
"""
    told = client_environment.run(client_environment.python, "-c", program, cwd=tmp_path)
    assert told.stderr == ""
    found, files, typed = told.stdout.splitlines()
    assert found == ""
    assert files.split() == ["signforge", "signforge-0.2.0.dist-info"]
    assert typed.startswith("True")


def test_help_and_version_beside_a_users_own_folders(
    client_environment: Environment, folder_with_our_names: Path
) -> None:
    places = {"cwd": folder_with_our_names, "PYTHONPATH": str(folder_with_our_names)}
    helped = client_environment.signforge("--help", **places)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "Run the parts of a cluster" in helped.stdout
    assert client_environment.signforge("--version", **places).stdout == "signforge 0.2.0\n"


@pytest.mark.parametrize(("extra", "words"), [(case[0], case[1:]) for case in NEEDS_MORE])
def test_a_command_that_needs_more_says_how_to_get_it(
    client_environment: Environment, tmp_path: Path, extra: str, words: tuple[str, ...]
) -> None:
    told = client_environment.signforge(*words, cwd=tmp_path)
    assert told.returncode == 1
    name = " ".join(words[:2]) if words[0] == "keys" else words[0]
    assert told.stderr.startswith(f"Error: `signforge {name}` needs packages that are not installed (")
    assert told.stderr.endswith(f"). Install them: pip install 'signforge[{extra}]'\n")
    assert told.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_python_says_the_same(client_environment: Environment, tmp_path: Path) -> None:
    told = client_environment.run(
        client_environment.python, "-c", "import signforge; signforge.load_encoder('x')", cwd=tmp_path
    )
    (last,) = told.stderr.splitlines()[-1:]
    assert last.startswith(
        "signforge.installation.InstallationError: `signforge.load_encoder` needs packages"
    )
    assert last.endswith("pip install 'signforge[worker]'")


def test_it_speaks_to_a_service(
    client_environment: Environment, api: Api, folder_with_our_names: Path
) -> None:
    recording = folder_with_our_names / "recording.npz"
    np.savez(recording, keypoints=np.ones((9, 133, 3)), width=640, height=480)
    settings = {
        "cwd": folder_with_our_names,
        "SIGNFORGE_URL": api.url,
        "SIGNFORGE_API_KEY": api.api_key,
        "SIGNFORGE_DATABASE_URL": "postgresql+psycopg://the-servers/own",  # no concern of a client
    }

    def run(*words: str) -> str:
        told = client_environment.signforge(*words, **settings)
        assert told.returncode == 0, told.stderr
        return told.stdout

    assert "smoke" in run("recipes")
    run("corpora", "add", str(recording), "--name", "mine", "--no-watch")
    jobs = json.loads(run("jobs", "--json"))
    assert [(job["kind"], job["name"], job["state"]) for job in jobs] == [("import", "mine", "queued")]
    assert "cancelled" in run("cancel", jobs[0]["id"]) + run("show", jobs[0]["id"])
    assert "ada" in run("keys", "list")


def _interpreter(version: str) -> Path | None:
    """A Python of that version on this machine: on the path, or of pyenv."""
    named = [Path(found)] if (found := shutil.which(f"python{version}")) else []
    for python in [*named, *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]:
        told = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
        if told.stdout.startswith(f"Python {version}."):
            return python
    return None


@pytest.mark.slowest
@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_other_versions_of_python(version: str, wheel: Path, api: Api, tmp_path: Path) -> None:
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    environment = empty_environment(tmp_path / "venv", python)
    environment.install(str(wheel), "--constraint", str(REPOSITORY / "requirements-lock.txt"))
    settings = {"SIGNFORGE_URL": api.url, "SIGNFORGE_API_KEY": api.api_key, "PYTHONWARNINGS": "error"}
    told = environment.signforge("keys", "list", cwd=tmp_path, **settings)
    assert (told.returncode, told.stderr) == (0, "")
    assert "ada" in told.stdout
    assert environment.signforge("--help", cwd=tmp_path, **settings).returncode == 0
