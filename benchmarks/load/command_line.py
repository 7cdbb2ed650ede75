"""Measure whole commands, from start to end, beside an empty Python program."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from measuring import Side, interleaved

from load.stage import Stage

ROUNDS = 15
_MODULE = ("-m", "signforge")
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "python -c pass": ("-c", "pass"),
    "signforge --help": (*_MODULE, "--help"),
    "signforge --version": (*_MODULE, "--version"),
    "signforge recipes": (*_MODULE, "recipes"),
    "signforge jobs": (*_MODULE, "jobs"),
}
"""What is typed -> the arguments of Python."""


def command_line(stage: Stage) -> list[tuple[str, str]]:
    """Measure commands in alternation; `signforge jobs` asks the service of `stage`."""
    environment = {**os.environ, "SIGNFORGE_URL": stage.api.url, "SIGNFORGE_API_KEY": stage.api.api_key}
    sides = {typed: _command(words, environment) for typed, words in _COMMANDS.items()}
    found = interleaved(sides, rounds=ROUNDS)
    return [(typed, f"{statistics.median(seconds):.2f} s") for typed, seconds in found.items()]


def _command(words: tuple[str, ...], environment: Mapping[str, str]) -> Side:
    def side() -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *words], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        return time.perf_counter() - began

    return side
