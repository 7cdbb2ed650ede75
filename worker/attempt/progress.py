"""A job's progress (phase, step, speed, ETA), computed from its program's events."""

from collections.abc import Mapping
from typing import Any

_SMOOTHING = 0.3


class Progress:
    """Tracks phases and steps. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self) -> None:
        self._phase = "starting"
        self._step = 0
        self._total_steps = 0
        self._metrics: dict[str, float] = {}
        self._last: tuple[int, float] | None = None
        self._steps_per_second: float | None = None

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        """Start a phase. Its speed is not known yet."""
        self._phase, self._step, self._total_steps = phase, 0, total_steps
        self._last = self._steps_per_second = None

    def on_step(self, step: int, metrics: Mapping[str, float], *, at: float) -> None:
        """Record that `step` steps are done at `at`. The speed is a moving average without the first step."""
        if self._last is not None and at > self._last[1] and step > self._last[0]:
            speed = (step - self._last[0]) / (at - self._last[1])
            before = self._steps_per_second
            self._steps_per_second = speed if before is None else before + _SMOOTHING * (speed - before)
        self._last, self._step = (step, at), step
        self._metrics.update(metrics)

    def as_json(self) -> dict[str, Any]:
        """The document for the job's row. Unknown values are null."""
        total, speed = self._total_steps, self._steps_per_second
        return {
            "phase": self._phase,
            "step": self._step,
            "total_steps": total or None,
            "percent": round(100 * self._step / total, 2) if total else None,
            "eta_seconds": round((total - self._step) / speed, 1) if total and speed else None,
            "step_seconds": round(1 / speed, 6) if speed else None,
            "samples_per_second": self._metrics.get("samples_per_second"),
            "metrics": dict(self._metrics),
        }
