"""The seam between a program of the science and whoever watches it.

A program (import, pretrain, evaluate) tells an `Observer` what happens and asks it whether to stop.
`SilentObserver` is for notebooks and tests, `JsonLinesObserver` for a supervisor at the other end of a
pipe, `ConsoleObserver` for a person.
"""

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO, runtime_checkable


@runtime_checkable
class Observer(Protocol):
    """What a program says while it runs, and the one thing it asks."""

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        """A new phase begins, such as `reading` or `training`, of `total_steps` steps."""

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """`step` steps of this phase are done; `metrics` are this step's numbers (may be empty)."""

    def on_checkpoint(self, checkpoint: Path, *, step: int) -> None:
        """A complete checkpoint folder lies at `checkpoint`."""

    def on_log(self, message: str) -> None:
        """A sentence for a person."""

    def should_stop(self) -> bool:
        """Whether to save and stop at this step boundary."""


class SilentObserver:
    """Says nothing, never stops."""

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        """Ignore it."""

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Ignore it."""

    def on_checkpoint(self, checkpoint: Path, *, step: int) -> None:
        """Ignore it."""

    def on_log(self, message: str) -> None:
        """Ignore it."""

    def should_stop(self) -> bool:
        """Never."""
        return False


class StopSwitch:
    """Remembers that somebody asked to stop; a signal handler throws it."""

    def __init__(self) -> None:
        self.thrown = False

    def throw(self, *_: object) -> None:
        """Ask to stop (usable as a signal handler)."""
        self.thrown = True


class JsonLinesObserver:
    """Writes each event as one JSON object a line, the protocol `worker.attempt.reporter` reads."""

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
        """Whether the switch was thrown."""
        return self._switch.thrown

    def write(self, event: str, **fields: object) -> None:
        """Write one event and push it out at once."""
        self._stream.write(json.dumps({"event": event, **fields}) + "\n")
        self._stream.flush()


class Journaled(io.TextIOBase):
    """A stream whose lines also go into a file, first: whoever reads the stream may die before it has.

    A file that cannot be written, say on a full disk, costs its lines and nothing else.
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
        """Push out what the stream holds."""
        self._stream.flush()

    def close(self) -> None:
        """Close the file; the stream is its owner's."""
        with contextlib.suppress(OSError):
            self._file.close()
        super().close()


def parse_event(line: str) -> dict[str, Any] | None:
    """The event that a `JsonLinesObserver` wrote as this line; None for what some library printed."""
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            return event
    return None


class ConsoleObserver(JsonLinesObserver):
    """Writes each event as a line a person can read."""

    def write(self, event: str, **fields: object) -> None:
        """Write one event as `event  name=value ...`."""
        metrics = fields.pop("metrics", {})
        flat = {**fields, **(metrics if isinstance(metrics, dict) else {})}
        words = (f"{name}={_short(value)}" for name, value in flat.items())
        self._stream.write(f"{event:<11}" + "  ".join(words) + "\n")
        self._stream.flush()


def _short(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
