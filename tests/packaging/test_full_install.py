"""`pip install 'signforge[all]'`: everything works from the wheel, wherever the user stands."""

import json
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from core.kernels.library import NativeLibrary, cache_folder
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES
from tests.packaging.conftest import build
from tests.packaging.environments import Environment, clean_environment, empty_environment, install_from_here
from tests.servers.starting import REPOSITORY, wait_for

pytestmark = [pytest.mark.system, pytest.mark.slow]

POSES = SyntheticConfig(num_signs=2, num_signers=2, takes_per_sign=1)
NOT_SIGNFORGE = "raise SystemExit('this is not signforge')"

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import signforge
entry = "signforge.core.jobs.migrations.env"  # Alembic runs it, in a context of its own
for module in pkgutil.walk_packages(signforge.__path__, "signforge."):
    if module.name != entry:
        importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("signforge.")]))
print(*[name for name in sys.modules if name.split(".")[0] in ("core", "api", "worker")])
"""

EMBED = """
import sys
import core
import signforge
from signforge.core.kernels.library import native_library
encoder = signforge.load_encoder(sys.argv[1])
print(core.MINE, *encoder.embed(signforge.read_clips(sys.argv[2])).shape)
print(native_library().path if sys.argv[3] == "native" else "")
"""


@pytest.fixture
def folder_with_our_names(tmp_path: Path) -> Path:
    """Where a user works: their own `core`, `api` and `worker` are there."""
    folder = tmp_path / "mine"
    (folder / "core").mkdir(parents=True)
    (folder / "core" / "__init__.py").write_text("MINE = 'my core'\n")
    for name in ("api", "worker"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(NOT_SIGNFORGE)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    corpus = random_corpus(folder / "corpus")
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES), folder)
    return folder / "encoder"


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("poses") / "poses.npz"
    save_npz(generate(POSES), path)
    return path


def test_every_module_of_the_wheel_can_be_imported(full_environment: Environment, tmp_path: Path) -> None:
    told = full_environment.run(full_environment.python, "-c", IMPORT_EVERYTHING, cwd=tmp_path)
    assert told.stderr == ""
    number, plain = told.stdout.splitlines()
    assert int(number) > 300
    assert plain == ""


def test_a_script_beside_a_folder_core_loads_an_encoder(
    full_environment: Environment,
    folder_with_our_names: Path,
    encoder: Path,
    poses: Path,
    native: NativeLibrary,
) -> None:
    script = folder_with_our_names / "embed.py"
    script.write_text(EMBED)
    words = [str(encoder), str(poses), "native"]
    settings = {"SIGNFORGE_CACHE_FOLDER": str(cache_folder())}
    told = full_environment.run(
        full_environment.python, script, *words, cwd=folder_with_our_names, **settings
    )
    assert told.stderr == ""
    embedded, kernels = told.stdout.splitlines()
    assert embedded.startswith(f"my core {POSES.num_clips} ")
    assert kernels == str(native.path)  # its name is a digest of the sources: the wheel has them all


def test_a_service_runs_a_job_from_a_folder_with_our_names(
    full_environment: Environment, folder_with_our_names: Path, poses: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with _up(full_environment, data, cwd=folder_with_our_names) as url:
        settings = {"SIGNFORGE_DATA_FOLDER": str(data), "PYTHONPATH": str(folder_with_our_names)}
        words = ["corpora", "add", str(poses), "--name", "signs"]
        added = full_environment.signforge(*words, cwd=folder_with_our_names, **settings)
        assert added.returncode == 0, added.stderr
        listed = full_environment.signforge("corpora", "list", "--json", cwd=tmp_path, **settings)
        (corpus,) = json.loads(listed.stdout)
        assert (corpus["name"], corpus["summary"]["num_clips"]) == ("signs", POSES.num_clips)
        page = httpx.get(f"{url}/docs", trust_env=False)
        assert page.is_success


def test_the_checkout_itself_builds_the_same_wheel(wheel: Path, distributions: Path, tmp_path: Path) -> None:
    build(distributions.parent / "checkout", tmp_path, "--wheel")
    (other,) = tmp_path.glob("*.whl")
    assert _contents(other) == _contents(wheel)


def test_a_hidden_module_of_an_editable_install_is_named(folder_with_our_names: Path) -> None:
    ours = {**clean_environment(), "PYTHONPATH": str(REPOSITORY)}

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=folder_with_our_names, env=ours, capture_output=True, text=True, check=False
        )

    expected = (
        f"{folder_with_our_names / 'core'} hides signforge's module `core`, because signforge is installed "
        "in editable mode (pip install --editable). Rename it, or install a copy: pip install "
        f"{REPOSITORY}"
    )
    told = run("-m", "signforge", "--help")
    assert (told.returncode, told.stderr) == (1, f"Error: {expected}\n")
    told = run("-c", "import signforge; signforge.load_encoder")
    assert told.stderr.splitlines()[-1] == f"signforge.installation.InstallationError: {expected}"


def test_an_editable_install_keeps_the_plain_names(distributions: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(distributions.parent / "checkout", checkout)
    hook = f"from setuptools import build_meta; build_meta.build_editable({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", hook], cwd=checkout, check=True, capture_output=True)
    (editable,) = tmp_path.glob("*.whl")
    environment = empty_environment(tmp_path / "venv")
    install_from_here(environment, editable)
    program = "import core.errors, api, worker, signforge.cli; print(core.errors.__file__)"
    told = environment.run(environment.python, "-c", program, cwd=tmp_path)
    assert (told.stderr, told.stdout) == ("", f"{checkout / 'core' / 'errors.py'}\n")


def _contents(wheel: Path) -> dict[str, int]:
    """Each file of a wheel with the checksum of its bytes."""
    with zipfile.ZipFile(wheel) as opened:
        return {member.filename: member.CRC for member in opened.infolist()}


@contextmanager
def _up(environment: Environment, data: Path, *, cwd: Path) -> Iterator[str]:
    """`signforge up` in `cwd`; yields its URL and stops it in order."""
    log = data.with_name("up.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [environment.command, "up", "--data", data, "--port", "0"],
            cwd=cwd,
            env={**clean_environment(), "SIGNFORGE_CACHE_FOLDER": str(cache_folder())},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(
            lambda: (data / "address").exists() or process.poll() is not None,
            within_seconds=60,
            what=f"the service's start ({log})",
        )
        assert process.poll() is None, log.read_text()
        yield (data / "address").read_text().strip()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(10)
