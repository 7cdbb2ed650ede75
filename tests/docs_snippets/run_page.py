"""Run a page from top to bottom and compare what it prints with what the page shows."""

import ast
import json
import re
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.docs_snippets.page import OUTPUT, RUNNABLE, Block, read_page
from tests.docs_snippets.session import Background, BlockError, Session

_VARYING = (
    (re.compile(r"\b[0-9a-f]{40,64}\b"), "<digest>"),
    (re.compile(r"\b([a-z]{3})_[0-9a-f]{20,}\b"), r"\1_<id>"),
    (re.compile(r"(127\.0\.0\.1:)\d+"), r"\1<port>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "<time>"),
    (re.compile(r"\d+:\d\d:\d\d"), "<duration>"),
    (re.compile(r"\d+ clips/s"), "<rate>"),
    (re.compile(r"\s+"), " "),
)
"""What differs between two runs: ids, digests, times. Whole numbers have to agree."""
_DECIMAL = re.compile(r"-?\d+\\\.\d+(e\\?-?\d+)?")
_ANY_NUMBER = r"-?\\d+(\\.\\d+)?(e-?\\d+)?"
"""What may stand where a page has a decimal number: a score of 0.8 may be 1 elsewhere."""
_ANYTHING = "..."


@dataclass
class Outcome:
    """What was done with a page's blocks."""

    num_run: int = 0
    num_compared: int = 0
    not_run: list[str] = field(default_factory=list)
    """A reason for each block that was checked for syntax alone."""


def run_page(path: Path, folder: Path, environment: Mapping[str, str]) -> Outcome:
    """Run the blocks of a page in `folder`.

    Raises:
        BlockError: a block failed, or printed what the page does not show; names the page and the line.
    """
    outcome = Outcome()
    with ExitStack() as stack:
        page = _RunningPage(folder, environment, stack, outcome)
        for block in read_page(path):
            try:
                page.take(block)
            except (BlockError, ValueError, SyntaxError, yaml.YAMLError) as error:
                raise BlockError(f"{path}:{block.line}: {error}\n\nThe block:\n{block.code}") from None
    return outcome


class _RunningPage:
    """The interpreters of a page and what its last block printed (None: it was not run)."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], stack: ExitStack, outcome: Outcome
    ) -> None:
        self._folder, self._environment = folder, environment
        self._stack, self._outcome = stack, outcome
        self._sessions: dict[str, Session] = {}
        self._printed: str | None = None

    def take(self, block: Block) -> None:
        """Run, compare or check one block."""
        if block.language == OUTPUT:
            self._compare(block)
        elif block.is_runnable:
            self._printed = self._start(block) if block.until else self._session(block).run(block.code)
            self._outcome.num_run += 1
        else:
            check_syntax(block)
            self._printed = None
            if block.check is not None:
                self._session(Block("sh", "", block.line)).run(block.check)
            if block.not_run is not None:
                self._outcome.not_run.append(block.not_run)

    def _compare(self, block: Block) -> None:
        if self._printed is not None:
            compare(block.code, self._printed)
            self._outcome.num_compared += 1

    def _session(self, block: Block) -> Session:
        if block.language not in self._sessions:
            session = Session(block.language, self._folder, self._environment)
            self._sessions[block.language] = self._stack.enter_context(closing(session))
        return self._sessions[block.language]

    def _start(self, block: Block) -> str:
        command = Background(block.code, self._folder, self._environment)
        assert block.until is not None
        return self._stack.enter_context(closing(command)).wait_until(block.until)


def check_syntax(block: Block) -> None:
    """Check a block that is not run.

    Raises:
        BlockError: it is not of its language, or of none that is known here.
    """
    if block.language == "sh":
        done = subprocess.run(
            ["bash", "-n"], input=block.code, capture_output=True, text=True, check=False, timeout=30
        )
        if done.returncode:
            raise BlockError(done.stderr)
    elif block.language == "python":
        ast.parse(block.code)
    elif block.language == "json":
        json.loads(block.code)
    elif block.language == "yaml":
        yaml.safe_load(block.code)
    elif block.language not in ("csv", *RUNNABLE):
        raise BlockError(f"Blocks are sh, python, text, json, yaml or csv, not {block.language!r}.")


def compare(shown: str, printed: str) -> None:
    """Compare output line by line; a line `...` stands for any lines, `...` in a line for any text.

    Raises:
        BlockError: they differ in more than what varies from run to run.
    """
    if re.fullmatch(_pattern(shown), "".join(f"{line}\n" for line in _plain(printed))) is None:
        raise BlockError(f"The page shows:\n{shown}\nIt printed:\n{printed}")


def _pattern(shown: str) -> str:
    return "".join(
        r"(?:.*\n)*?" if line == _ANYTHING else f"{_line_pattern(line)}\n" for line in _plain(shown)
    )


def _line_pattern(line: str) -> str:
    with_any_text = re.escape(line).replace(re.escape(_ANYTHING), ".*")
    return _DECIMAL.sub(_ANY_NUMBER, with_any_text)


def _plain(text: str) -> list[str]:
    """The lines that are not empty, with what varies replaced."""
    lines = []
    for line in text.splitlines():
        for pattern, name in _VARYING:
            line = pattern.sub(name, line)
        lines.append(line.strip())
    return [line for line in lines if line]
