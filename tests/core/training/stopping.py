"""Observers that have a run stopped."""

from collections.abc import Mapping

from core.program.observer import SilentObserver


class StopsAt(SilentObserver):
    """Asks to stop once `steps` steps were reported."""

    def __init__(self, steps: int) -> None:
        self.steps, self.seen = steps, 0

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        self.seen = step

    def should_stop(self) -> bool:
        return self.seen >= self.steps


class StopsIn(StopsAt):
    """Asks to stop once `steps` steps of a phase were reported."""

    def __init__(self, phase: str, steps: int = 0) -> None:
        super().__init__(steps)
        self.phase, self.current = phase, ""

    def on_phase(self, phase: str, *, total_steps: int) -> None:
        self.current, self.seen = phase, 0

    def should_stop(self) -> bool:
        return self.current == self.phase and super().should_stop()
