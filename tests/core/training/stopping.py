"""An observer that has a run stopped."""

from collections.abc import Mapping

from core.observer import SilentObserver


class StopsAt(SilentObserver):
    """Asks to stop once `steps` steps were reported."""

    def __init__(self, steps: int) -> None:
        self.steps, self.seen = steps, 0

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        self.seen = step

    def should_stop(self) -> bool:
        return self.seen >= self.steps
