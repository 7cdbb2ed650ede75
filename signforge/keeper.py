"""When a child that died is started again: a decision about times, apart from the processes."""

import dataclasses

from signforge.children import Child

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_SETTLED_SECONDS = 60.0
"""A child that lived this long had started well; its next death begins with the first pause again."""


@dataclasses.dataclass
class Keeper:
    """Keeps one child running, with growing pauses while it keeps dying. Times are monotonic seconds."""

    child: Child
    started_at: float
    pause: float = _FIRST_PAUSE_SECONDS
    start_again_at: float | None = None

    def look(self, now: float) -> str | None:
        """Start the child if it is time to; returns what a person should be told, if anything."""
        if self.start_again_at is not None:
            if now >= self.start_again_at:
                self.child.start()
                self.started_at, self.start_again_at = now, None
            return None
        if self.child.is_running:
            return None
        if now - self.started_at > _SETTLED_SECONDS:
            self.pause = _FIRST_PAUSE_SECONDS
        self.start_again_at = now + self.pause
        notice = f"{self.obituary()}\nStarting it again in {self.pause:g} s."
        self.pause = min(self.pause * 2, _LONGEST_PAUSE_SECONDS)
        return notice

    def obituary(self) -> str:
        """How the child ended, and the end of its log."""
        code = self.child.exit_code
        how = (
            f"was killed by signal {-code}" if code is not None and code < 0 else f"stopped with code {code}"
        )
        tail = self.child.tail()
        return f"The {self.child.name} {how}. Its log {self.child.log} ends:\n{tail or '(it is empty)'}"
