"""`signforge run SPEC.json --out DIR`: the program of a job on this machine, without any service."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import SpecError
from core.jobs.kinds import KINDS, find
from core.program.allocator import tuned_environment
from signforge.commands.options.spec_file import read_spec_file
from signforge.installation import require


def run(
    spec: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC.json",
            exists=True,
            dir_okay=False,
            help="As `submit` takes it, with paths in place of names.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write into.")],
    resume: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Checkpoint folder to go on from (DIR/checkpoints/...)."),
    ] = None,
) -> None:
    """Run a job here, without a service: import, pretrain, evaluate or any other kind.

    The result is DIR/result.json, beside what the job makes. Exit code 2 means that the job cannot be done,
    75 that it was stopped (Ctrl-C) and saved its state.
    """
    kind = find(_kind_in(read_spec_file(spec), spec))
    require("worker", "jaxtyping", "numpy", "safetensors", "torch", what="`signforge run`")
    command = [sys.executable, "-m", kind.program, "--spec", str(spec), "--out", str(out)]
    if resume is not None:
        command += ["--resume", str(resume)]
    # A folder called `core` where the user stands is not ours.
    environment = {**os.environ, **tuned_environment(), "PYTHONSAFEPATH": "1"}
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is wanted


def _kind_in(document: dict[str, Any], path: Path) -> str:
    kind = document.get("kind")
    if not isinstance(kind, str):
        raise SpecError(f"{path} does not say its kind of job: set `kind` to one of {', '.join(KINDS)}.")
    return kind
