"""How long a fuzzer runs and from which seed; read here alone.

`SIGNFORGE_FUZZ_SECONDS`: seconds for each fuzzer. `SIGNFORGE_FUZZ_SEED`: seed of its first round. Hypothesis
prints the seed of a round that fails; run it again with that seed and few seconds.
"""

import os
import time
from collections.abc import Iterator

from hypothesis import HealthCheck, Phase, settings

DEFAULT_SECONDS = 15.0
SECONDS, SEED = "SIGNFORGE_FUZZ_SECONDS", "SIGNFORGE_FUZZ_SEED"


def fuzz_seconds() -> float:
    """Seconds that one fuzzer may run."""
    return float(os.environ.get(SECONDS) or DEFAULT_SECONDS)


def fuzz_seed() -> int:
    """Seed of the first round."""
    return int(os.environ.get(SEED) or 0)


def rounds(*, parts: int = 1) -> Iterator[int]:
    """Yield the seed of each round, until the time of one of `parts` equal parts is over; at least one."""
    end, seed = time.monotonic() + fuzz_seconds() / parts, fuzz_seed()
    while True:
        yield seed
        seed += 1
        if time.monotonic() >= end:
            return


def fuzzing(num_examples: int) -> settings:
    """Settings of Hypothesis for a round of so many examples."""
    return settings(
        max_examples=num_examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
