"""The distributions, built once, and environments that they are installed into."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packaging.environments import Environment, empty_environment, install_from_here
from tests.servers.starting import REPOSITORY

_FILES = (
    "pyproject.toml",
    "setup.py",
    "relocation.py",
    "long_description.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
)
_FILES += ("CITATION.cff", "SECURITY.md")
_FOLDERS = ("core", "api", "worker", "signforge")


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with the sdist and the wheel that was built from it; made once for all test processes."""
    shared = (
        tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    )
    checkout, built = shared / "checkout", shared / "dist"
    with _alone(shared / "build.lock"):
        if not built.exists():
            _copy_checkout(checkout)
            build(checkout, built)
    return built


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """The wheel."""
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def client_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """`pip install signforge` with the lowest versions that it allows."""
    environment = empty_environment(tmp_path_factory.mktemp("client") / "venv")
    environment.install(str(wheel), "--constraint", str(REPOSITORY / "requirements-lowest.txt"))
    return environment


@pytest.fixture(scope="session")
def api_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with the packages of `signforge[api]`, as in the API's image."""
    environment = empty_environment(tmp_path_factory.mktemp("api") / "venv")
    install_from_here(environment, wheel, "api")
    return environment


@pytest.fixture(scope="session")
def worker_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with the packages of `signforge[worker]`, as in the worker's image."""
    environment = empty_environment(tmp_path_factory.mktemp("worker") / "venv")
    install_from_here(environment, wheel, "worker")
    return environment


@pytest.fixture(scope="session")
def full_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with the packages of `signforge[all]`."""
    environment = empty_environment(tmp_path_factory.mktemp("full") / "venv")
    install_from_here(environment, wheel, "all")
    return environment


def build(source: Path, out: Path, *words: str) -> None:
    """Build distributions of `source` as a release does, with the packages that are installed here."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *words, str(source)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def _copy_checkout(folder: Path) -> None:
    folder.mkdir()
    for name in _FILES:
        shutil.copy2(REPOSITORY / name, folder / name)
    for name in _FOLDERS:
        shutil.copytree(REPOSITORY / name, folder / name)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
