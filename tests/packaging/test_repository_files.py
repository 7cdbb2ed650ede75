"""Files that other programs read, against their schemas; and the lists of packages against each other."""

import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.servers.starting import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
BUILT_FOR_A_MACHINE = {"torch"}
SCHEMAS = [
    ("vendor.compose-spec", "docker-compose.yml"),
    ("vendor.github-workflows", ".github/workflows/ci.yml"),
    ("custom.github-workflows-require-timeout", ".github/workflows/ci.yml"),
    ("vendor.dependabot", ".github/dependabot.yml"),
    ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/bug_report.yml"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/feature_request.yml"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/pose_format.yml"),
    ("vendor.citation-file-format", "CITATION.cff"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("schema", "name"), SCHEMAS)
def test_a_file_is_as_its_schema_says(schema: str, name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, name]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout


def test_the_workflow_runs_the_commands_of_contributors() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    runs = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert {"make check", "make test", "make test-slowest"} <= set(runs)


def test_the_hooks_run_programs_that_make_install_brings() -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    pinned = _pins("requirements-dev.txt")
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    assert programs == {"ruff", "lint-imports", "mypy", "python"}
    assert {"ruff", "import-linter", "mypy", "check-jsonschema"} <= pinned.keys()


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements-api.txt", ["api"]), ("requirements.txt", ["api", "worker", "all"])]
)
def test_a_lock_pins_what_the_extras_ask_for(lock: str, extras: list[str]) -> None:
    pinned = _pins(lock)
    for requirement in _asked_for(*extras):
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement


def test_the_lock_is_complete() -> None:
    """A package that only another one asks for must not come in a version that nobody tested."""
    locked = _pins("requirements-lock.txt")
    installed = {canonicalize_name(found.name): found for found in metadata.distributions()}
    here = {name: installed[name] for name in map(canonicalize_name, locked) if name in installed}
    assert {name: found.version for name, found in here.items()} == {
        canonicalize_name(name): version
        for name, version in locked.items()
        if canonicalize_name(name) in installed
    }
    asked = {
        canonicalize_name(requirement.name)
        for found in here.values()
        for requirement in map(Requirement, found.requires or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert asked - here.keys() - BUILT_FOR_A_MACHINE == set()


@pytest.mark.parametrize("pins", ["", "-api", "-otel", "-docs", "-dev"])
def test_the_lock_agrees_with_what_we_pin(pins: str) -> None:
    locked = _pins("requirements-lock.txt")
    wanted = _pins(f"requirements{pins}.txt")
    assert {name: locked[name] for name in wanted if name != "torch"} == {
        name: version for name, version in wanted.items() if name != "torch"
    }


def test_the_lowest_versions_that_are_tested_are_the_lower_bounds() -> None:
    tested = _pins("requirements-lowest.txt")
    bounds = {requirement.name: str(requirement.specifier).removeprefix(">=") for requirement in _asked_for()}
    assert {name: Version(bound) for name, bound in bounds.items()} == {
        name: Version(version) for name, version in tested.items()
    }


def test_the_versions_agree() -> None:
    version = PROJECT["version"]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == version
    assert f"## [{version}]" in (REPOSITORY / "CHANGELOG.md").read_text()


def _asked_for(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for: the client's packages and those of some extras."""
    optional = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in optional[extra])]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != "signforge"]


def _pins(name: str) -> dict[str, str]:
    lines = (REPOSITORY / name).read_text().splitlines()
    pins = [Requirement(line) for line in lines if "==" in line]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
