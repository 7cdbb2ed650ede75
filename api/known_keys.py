"""Callers of API keys that were checked moments ago, so that a poll needs no query for its key."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

KNOWN_SECONDS = 5.0
"""How long a check of an API key holds. Another API process may accept a revoked key for as long."""
_MAX_KEYS = 10_000


@dataclass(frozen=True)
class Caller:
    """The owner of the API key a request came with."""

    owner: str
    api_key_id: str
    scopes: tuple[str, ...] = ()


class KnownKeys:
    """The API keys that this process accepted within the last seconds, by the digest of the whole key.

    A revocation by this process takes effect at once: `forget_all` also discards the checks that began
    before it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._revocations = 0

    def find(self, digest: bytes) -> Caller | None:
        """The caller of an API key, if a check of it still holds."""
        with self._lock:
            caller, until = self._known.get(digest, (None, 0.0))
            return caller if self._clock() < until else None

    def begin_check(self) -> int:
        """Call before a key is read from the database, and pass the result to `remember`."""
        return self._revocations

    def remember(self, digest: bytes, caller: Caller, *, begun: int, expires_in: float | None = None) -> None:
        """Keep the result of a check for KNOWN_SECONDS, or until the key expires (in seconds)."""
        holds = KNOWN_SECONDS if expires_in is None else min(KNOWN_SECONDS, expires_in)
        with self._lock:
            if begun != self._revocations:
                return
            self._known[digest] = caller, self._clock() + holds
            self._known.move_to_end(digest)
            if len(self._known) > _MAX_KEYS:
                self._known.popitem(last=False)

    def forget_all(self) -> None:
        """Check every key anew. Call after a key was revoked or rotated."""
        with self._lock:
            self._revocations += 1
            self._known.clear()
