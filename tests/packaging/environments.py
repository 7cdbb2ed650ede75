"""Virtual environments with nothing of the checkout in them, and programs run there."""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def command(self) -> Path:
        """Its `signforge` command."""
        return self.folder / "bin" / "signforge"

    def install(self, *words: str) -> None:
        """Run pip for this environment."""
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-compile"]
        made = subprocess.run([*pip, *words], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr

    def signforge(self, *words: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run the command in `cwd`."""
        return self.run(self.command, *words, cwd=cwd, **settings)

    def run(self, *command: str | Path, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a program in `cwd` with these settings and none of the caller's."""
        return subprocess.run(
            list(command),
            cwd=cwd,
            env={**clean_environment(), **settings},
            capture_output=True,
            text=True,
            check=False,
        )


def clean_environment() -> dict[str, str]:
    """Ours without settings of signforge and of Python, and with terminals of one width."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("SIGNFORGE_", "PYTHON"))
    }
    return {**ours, "COLUMNS": "200"}


def empty_environment(folder: Path, python: str | Path = sys.executable) -> Environment:
    """A new environment without any package."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    return Environment(folder)


def install_from_here(environment: Environment, wheel: Path, *extras: str) -> None:
    """Install `wheel` with the packages that its metadata asks for with `extras`, and no others.

    They are links to those that run these tests: quick, and nothing is downloaded.
    """
    environment.install("--no-deps", str(wheel))
    (packages,) = environment.folder.glob("lib/python*/site-packages")
    (ours,) = metadata.distributions(name="signforge", path=[str(packages)])
    for name in _closure(ours, extras):
        _link(metadata.distribution(name), packages)


def _closure(ours: metadata.Distribution, extras: Iterable[str]) -> set[str]:
    """Names of all distributions that one needs, directly or not, each of a version that it allows."""
    found: set[tuple[str, frozenset[str]]] = set()
    todo = [(ours, frozenset(extras))]
    while todo:
        distribution, wanted = todo.pop()
        for requirement in map(Requirement, distribution.requires or ()):
            key = (requirement.name.lower(), frozenset(requirement.extras))
            if key in found or not _applies(requirement, wanted):
                continue
            found.add(key)
            if key[0] == "signforge":
                todo.append((ours, key[1]))
                continue
            needed = metadata.distribution(requirement.name)
            assert requirement.specifier.contains(needed.version, prereleases=True), (
                str(requirement),
                needed.version,
            )
            todo.append((needed, key[1]))
    return {name for name, _ in found} - {"signforge"}


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def _link(distribution: metadata.Distribution, packages: Path) -> None:
    """Put links to what a distribution has in site-packages into another one."""
    for name in {path.parts[0] for path in distribution.files or ()} - {"..", "__pycache__"}:
        link, place = packages / name, Path(str(distribution.locate_file(name)))
        if place.exists() and not link.exists() and place.suffix != ".pth":
            link.symlink_to(place)
