"""When a child that died is started again: a decision about times, apart from the processes."""

import dataclasses

from core.errors import SignforgeError
from core.program.backoff import exponential_wait
from signforge.embedded.children import Child

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_SETTLED_SECONDS = 60.0
"""A child that lived this long had started well; its next death begins with the first pause again."""


@dataclasses.dataclass
class Keeper:
    """Keeps one child running, with exponential backoff while it keeps dying. Times are monotonic seconds."""

    child: Child
    started_at: float
    failures: int = 0
    """Deaths and failed starts in a row."""
    start_again_at: float | None = None

    def check(self, now: float) -> str | None:
        """Start the child if it is time to; returns what a person should be told, if anything."""
        if self.start_again_at is not None:
            return self._start_again(now) if now >= self.start_again_at else None
        if self.child.is_running:
            return None
        if now - self.started_at > _SETTLED_SECONDS:
            self.failures = 0
        return self._wait(now, self.exit_report())

    def _start_again(self, now: float) -> str | None:
        try:
            self.child.start()
        except SignforgeError as error:  # memory or disk is short at the moment
            return self._wait(now, str(error))
        self.started_at, self.start_again_at = now, None
        return None

    def _wait(self, now: float, why: str) -> str:
        self.failures += 1
        pause = exponential_wait(
            self.failures, first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )
        self.start_again_at = now + pause
        return f"{why}\nStarting it again in {pause:g} s."

    def exit_report(self) -> str:
        """How the child ended, and the end of its log."""
        code = self.child.exit_code
        how = (
            f"was killed by signal {-code}" if code is not None and code < 0 else f"stopped with code {code}"
        )
        tail = self.child.tail()
        return f"The {self.child.name} {how}. Its log {self.child.log} ends:\n{tail or '(it is empty)'}"
