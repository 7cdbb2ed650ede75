"""Command-line entry point shared by all job programs: options, signals, events, exit codes.

`python -m core.training.pretrain --spec FILE --out DIR` and the other programs use it. With `--events` a
program writes JSON lines to standard output for a supervisor, otherwise readable lines.
"""

import argparse
import atexit
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from core.errors import SignforgeError, SpecError, Stopped, StorageError, is_disk_full, is_out_of_memory
from core.program.memory_limit import limit_memory
from core.program.observer import ConsoleObserver, Journaled, JsonLinesObserver, Observer, StopSwitch
from core.source_files import Confinement
from core.specs.faults import fault_sentence

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_STOPPED = 75
"""Stopped on request with its state saved; run it again to resume (EX_TEMPFAIL)."""


SpecT = TypeVar("SpecT", bound=BaseModel)


@dataclass(frozen=True)
class Launch(Generic[SpecT]):
    """Arguments of a program: specification, output folder, and a checkpoint to resume from."""

    spec: SpecT
    out: Path
    resume: Path | None
    observer: Observer
    keep_all: bool = False
    """Do not delete old checkpoints; the supervisor does."""
    confinement: Confinement | None = None
    """Where a source may be read, if not everywhere."""


Run = Callable[[Launch[SpecT]], Mapping[str, object] | None]
"""Main function of a program: does the work and returns a JSON-serialisable result; None if another process
of the same run returns it."""


def main(run: Run[SpecT], spec_type: type[SpecT], *, arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run `run`, report, and return the exit code."""
    options = _parser(run).parse_args(arguments)
    switch = StopSwitch()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, switch.throw)
    stream = Journaled(sys.stdout, options.journal) if options.journal is not None else sys.stdout
    observer = (JsonLinesObserver if options.events else ConsoleObserver)(stream, switch)
    try:
        if options.memory_limit is not None:
            limit_memory(options.memory_limit)
        options.out.mkdir(parents=True, exist_ok=True)
        spec = read_spec(options.spec, spec_type)
        root = options.source_root
        launch = Launch(
            spec,
            options.out,
            options.resume,
            observer,
            keep_all=options.keep_all_checkpoints,
            confinement=None if root is None else Confinement(root, own=(options.out,)),
        )
        result = run(launch)
    except Exception as error:
        return _report(observer, error)
    if result is None:
        return EXIT_DONE
    (options.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    observer.write("result", **result)
    return EXIT_DONE


def finish(code: int) -> NoReturn:
    """End this process immediately, after atexit handlers have run and output is flushed.

    A normal exit would unload PyTorch first, which takes a third of a second and delays a cancellation.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # the reader has closed the pipe
            stream.flush()
    os._exit(code)


def read_spec(path: Path, spec_type: type[SpecT]) -> SpecT:
    """Read a specification from a JSON file.

    Raises:
        SpecError: the file cannot be read, is not JSON, or does not fit `spec_type`.
    """
    try:
        return spec_type.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SpecError(f"Cannot read the specification {path}: {error.strerror}.") from None
    except ValidationError as error:
        faults = " ".join(map(fault_sentence, error.errors()))
        raise SpecError(f"The specification {path} is invalid. {faults}") from None


def _parser(run: Callable[..., object]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(run.__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", type=Path, required=True, help="JSON file with the specification")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--resume", type=Path, help="checkpoint folder to resume from")
    parser.add_argument("--journal", type=Path, help="also write the events to this file")
    parser.add_argument("--keep-all-checkpoints", action="store_true", help="do not delete old checkpoints")
    parser.add_argument("--source-root", type=Path, help="read no source outside of this folder")
    parser.add_argument("--memory-limit", type=int, help="bytes of private memory, on Linux")
    parser.add_argument("--events", action="store_true", help="write JSON lines for a supervisor")
    return parser


def _report(observer: JsonLinesObserver, error: Exception) -> int:
    fault = _as_ours(error)
    if isinstance(fault, Stopped):
        observer.write("stopped", message=str(fault))
        return EXIT_STOPPED
    reason = fault.reason if isinstance(fault, SignforgeError) else _reason_of(error)
    observer.write("error", reason=reason, message=str(fault) or type(fault).__name__)
    if isinstance(fault, SignforgeError):
        return EXIT_REFUSED
    raise error


def _as_ours(error: Exception) -> Exception:
    """Convert a disk-full error of any library to StorageError."""
    if is_disk_full(error):
        return StorageError(f"The disk is full: {error}. Free some space, then retry the job.")
    return error


def _reason_of(error: Exception) -> str:
    return "out_of_memory" if is_out_of_memory(error) else "internal_error"
