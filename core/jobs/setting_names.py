"""Warns of environment variables that look like settings and are none, such as SIGNFORGE_DATABSE_URL."""

import os
from collections.abc import Iterator, MutableMapping

from core.specs.near_names import close_names

PREFIX = "SIGNFORGE_"
"""Each setting's environment variable begins with this."""
_OTHERS = (
    "SIGNFORGE_URL",
    "SIGNFORGE_API_KEY",
    "SIGNFORGE_CACHE_FOLDER",
    "SIGNFORGE_ATTEMPT_MARK",
    "SIGNFORGE_RENDEZVOUS",
    "SIGNFORGE_POSTGRES_PASSWORD",
)
"""Variables that are no fields of `Settings`: of client, kernels, workers, ranks and docker-compose.yml."""
_CLIENTS = frozenset({*_OTHERS, "SIGNFORGE_DATA_FOLDER", "SIGNFORGE_HOST", "SIGNFORGE_PORT"})
"""With these alone there is nothing to compare, and no settings need to be loaded."""
_WARNED = "SIGNFORGE_WARNED"
"""Names of which a parent process has warned already, separated by spaces."""
_MAX_WARNINGS = 10


def misspelt_settings(environment: MutableMapping[str, str] = os.environ) -> Iterator[str]:
    """Yield a sentence about each variable that is none of ours. Child processes do not repeat it."""
    warned = environment.get(_WARNED, "").split()
    named = {name.upper(): name for name in environment if name.upper().startswith(PREFIX)}
    doubtful = [named[upper] for upper in sorted(named) if upper not in {*_CLIENTS, _WARNED}]
    if not (new := [name for name in doubtful if name not in warned]):
        return
    known = known_names()
    unknown = [name for name in new if name.upper() not in known]
    if unknown:
        environment[_WARNED] = " ".join([*warned, *unknown])
    for name in unknown[:_MAX_WARNINGS]:
        close = close_names(name.upper(), known, cutoff=0.8)
        question = f" Did you mean {close[0]}?" if close else " Unset it."
        yield f"There is no setting {name}, so it has no effect.{question}"


def known_names() -> list[str]:
    """Names of all environment variables that a part of signforge reads."""
    from core.jobs.settings import Settings  # slow to import, and only needed for a name that is not usual

    return [*(f"{PREFIX}{field.upper()}" for field in Settings.model_fields), *_OTHERS]
