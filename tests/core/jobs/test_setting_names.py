"""A misspelt setting is named once, with the one that was meant."""

import os
import re
import subprocess
import sys
from pathlib import Path

from core.jobs.setting_names import known_names, misspelt_settings

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_misspelt_setting_is_named_with_the_right_one() -> None:
    environment = {"SIGNFORGE_DATABSE_URL": "x", "SIGNFORGE_PORT": "1", "PATH": "/bin"}
    (sentence,) = misspelt_settings(environment)
    assert sentence == (
        "There is no setting SIGNFORGE_DATABSE_URL, so it has no effect. Did you mean SIGNFORGE_DATABASE_URL?"
    )


def test_a_child_does_not_repeat_it() -> None:
    environment = {"SIGNFORGE_TEA": "x"}
    assert len(list(misspelt_settings(environment))) == 1
    assert list(misspelt_settings(environment)) == []
    environment["signforge_prot"] = "8000"
    (sentence,) = misspelt_settings(environment)
    assert sentence.endswith("signforge_prot, so it has no effect. Did you mean SIGNFORGE_PORT?")


def test_what_is_right_is_not_named() -> None:
    environment = dict.fromkeys([*known_names(), "signforge_lease_seconds"], "1")
    assert list(misspelt_settings(environment)) == []
    assert len(list(misspelt_settings({f"SIGNFORGE_X{number}": "1" for number in range(1000)}))) == 10


def test_every_variable_that_the_code_reads_is_known() -> None:
    folders = ("api", "core", "signforge", "worker")
    read = {
        name
        for folder in folders
        for file in (REPOSITORY / folder).rglob("*.py")
        for name in re.findall(r"[\"'](SIGNFORGE_[A-Z0-9_]+)[\"']", file.read_text())
    }
    assert "SIGNFORGE_CACHE_FOLDER" in read
    assert read - {"SIGNFORGE_WARNED"} <= set(known_names())


def test_a_command_warns_and_goes_on() -> None:
    environment = {**os.environ, "SIGNFORGE_API_KY": "sf_x"}
    command = [sys.executable, "-m", "signforge", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("signforge ")
    assert done.stderr.count("Did you mean SIGNFORGE_API_KEY?") == 1
