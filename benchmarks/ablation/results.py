"""Results of trials in a JSON Lines file, so that an interrupted run can be resumed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import UserError

Result = Mapping[str, Any]


class ResultsError(UserError):
    """The file holds results of a corpus that has changed, which must not be averaged with these."""


class Results:
    """The results of several corpora in a file of JSON lines."""

    def __init__(self, path: Path, digests: Mapping[str, str] | None = None) -> None:
        """Read the file, if it exists; an incomplete last line is removed. `digests`: of corpora by name.

        Raises:
            ResultsError: the file holds results of a corpus of the same name with another digest.
        """
        self._path = path
        self.all: list[Result] = _whole_lines(path) if path.exists() else []
        for result in self.all:
            name, digest = result["corpus"], result["digest"]
            if digest != (digests or {}).get(name, digest):
                raise ResultsError(
                    f"{path} holds results of another corpus {name!r} ({digest}), but this run is on "
                    f"{(digests or {})[name]}. Use another results file."
                )

    def __contains__(self, key: str) -> bool:
        return any(result["key"] == key for result in self.all)

    def add(self, result: Result) -> None:
        """Append a result, with numbers rounded to four decimals."""
        rounded = {name: _rounded(value) for name, value in result.items()}
        with self._path.open("a") as file:
            file.write(json.dumps(rounded) + "\n")
        self.all.append(rounded)


def _whole_lines(path: Path) -> list[Result]:
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
