"""Progress events and stop requests: the interface between a job program and its supervisor.

A program (import, pretrain, evaluate) reports events to an `Observer` and asks it whether to stop.
`SilentObserver` is for notebooks and tests, `JsonLinesObserver` for a supervisor that reads a pipe,
`ConsoleObserver` for terminals.
"""

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO, runtime_checkable

_MAX_TABLE_CHARACTERS = 2_000
"""Characters of a table or an object that are printed for people."""


@runtime_checkable
class Observer(Protocol):
    """Receives the events of a running program, and answers whether to stop."""

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        """Report the start of a phase, such as `reading` or `training`, of `total_steps` steps."""

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Report that `step` steps of this phase are done; `metrics` are of this step (may be empty)."""

    def on_checkpoint(self, checkpoint: Path, *, step: int) -> None:
        """Report a complete checkpoint folder at `checkpoint`."""

    def on_log(self, message: str) -> None:
        """Report a message for the user."""

    def should_stop(self) -> bool:
        """Whether to save and stop at this step boundary."""


class SilentObserver:
    """Ignores all events and never stops the program."""

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        """Ignore the event."""

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Ignore the event."""

    def on_checkpoint(self, checkpoint: Path, *, step: int) -> None:
        """Ignore the event."""

    def on_log(self, message: str) -> None:
        """Ignore the event."""

    def should_stop(self) -> bool:
        """Return False."""
        return False


class StopSwitch:
    """Stop flag, set by a signal handler."""

    def __init__(self) -> None:
        self.thrown = False

    def throw(self, *_: object) -> None:
        """Set the flag (usable as a signal handler)."""
        self.thrown = True


class JsonLinesObserver:
    """Writes each event as a line with a JSON object, the protocol that `worker.attempt.reporter` reads."""

    def __init__(self, stream: "TextIO | Journaled", switch: StopSwitch) -> None:
        self._stream = stream
        self._switch = switch

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        """Write a `phase` event."""
        self.write("phase", phase=phase, total_steps=total_steps)

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write a `step` event."""
        self.write("step", step=step, metrics=dict(metrics))

    def on_checkpoint(self, checkpoint: Path, *, step: int) -> None:
        """Write a `checkpoint` event."""
        self.write("checkpoint", path=str(checkpoint), step=step)

    def on_log(self, message: str) -> None:
        """Write a `log` event."""
        self.write("log", message=message)

    def should_stop(self) -> bool:
        """Whether the stop flag is set."""
        return self._switch.thrown

    def write(self, event: str, **fields: object) -> None:
        """Write one event and flush it."""
        self._stream.write(json.dumps({"event": event, **fields}) + "\n")
        self._stream.flush()


class Journaled(io.TextIOBase):
    """A stream that also writes its lines to a journal file, before the stream: its reader may crash.

    If the file cannot be written, for example on a full disk, its lines are lost and the stream continues.
    """

    def __init__(self, stream: TextIO, journal: Path) -> None:
        self._stream = stream
        journal.parent.mkdir(parents=True, exist_ok=True)
        self._file = journal.open("a", encoding="utf-8")

    def write(self, text: str) -> int:
        """Write to both."""
        with contextlib.suppress(OSError):
            self._file.write(text)
            self._file.flush()
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def close(self) -> None:
        """Close the file; the stream stays open, because its owner closes it."""
        with contextlib.suppress(OSError):
            self._file.close()
        super().close()


class Follower(SilentObserver):
    """Observer of ranks other than 0: reports nothing, but passes on stop requests."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def should_stop(self) -> bool:
        """Whether this rank was asked to stop."""
        return self._observer.should_stop()


def parse_event(line: str) -> dict[str, Any] | None:
    """Parse a line of a `JsonLinesObserver` to its event; None for other output, such as of a library."""
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            return event
    return None


class ConsoleObserver(JsonLinesObserver):
    """Writes each event as a human-readable line."""

    def write(self, event: str, **fields: object) -> None:
        """Write one event as `event  name=value ...`."""
        metrics = fields.pop("metrics", {})
        flat = {**fields, **(metrics if isinstance(metrics, dict) else {})}
        words = (f"{name}={_short(value)}" for name, value in flat.items())
        self._stream.write(f"{event:<11}" + "  ".join(words) + "\n")
        self._stream.flush()


def _short(value: object) -> str:
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    if isinstance(value, dict | list) and len(text) > _MAX_TABLE_CHARACTERS:
        return f"{text[:_MAX_TABLE_CHARACTERS]} ... ({len(text)} characters; result.json has all)"
    return text
