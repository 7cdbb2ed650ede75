"""How often one caller may ask: a token bucket for each, in the memory of this process.

The IETF's `RateLimit` fields (draft-ietf-httpapi-ratelimit-headers-10) tell callers where they stand.
"""

import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import Scope

_MOST_REMEMBERED = 10_000
"""Callers; whoever was silent for longest is forgotten first, and by then their bucket is full again."""
_IPV6_PREFIX = 64
"""Bits of an IPv6 address that a provider gives to one customer."""


@dataclass(frozen=True)
class Rate:
    """So many requests a minute in the long run, and so many at once after a silence."""

    per_minute: float
    burst: int

    @property
    def per_second(self) -> float:
        """How fast a bucket fills."""
        return self.per_minute / 60


@dataclass(frozen=True)
class Admission:
    """Whether a request may pass, and where its sender then stands."""

    allowed: bool
    remaining: int
    retry_after: int
    """Seconds until one more would pass."""
    full_after: int
    """Seconds until as many as ever would pass at once."""


class TokenBuckets:
    """One bucket for each name, filling at a rate, emptied by one with every request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, rate: Rate) -> Admission:
        """Take one token out of the bucket `name`, if there is one."""
        at = self._clock()
        tokens, since = self._buckets.pop(name, (float(rate.burst), at))
        tokens = min(float(rate.burst), tokens + (at - since) * rate.per_second)
        allowed = tokens >= 1
        tokens -= 1 if allowed else 0
        self._buckets[name] = (tokens, at)
        if len(self._buckets) > _MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        return Admission(
            allowed=allowed,
            remaining=math.floor(tokens),
            retry_after=math.ceil(max(1 - tokens, 0) / rate.per_second),
            full_after=math.ceil((rate.burst - tokens) / rate.per_second),
        )


class Callers:
    """Whose bucket a request is to be counted against, without asking the database.

    A credential has a bucket of its own from the moment it was accepted; until then, and after it was
    refused, its sender's address is charged. So made-up credentials gain nothing, and nobody can empty the
    bucket of an API key whose secret they do not know.
    """

    def __init__(self) -> None:
        self._accepted: OrderedDict[str, None] = OrderedDict()

    def name_of(self, scope: Scope) -> str:
        """The name of the bucket to charge."""
        credential = _credential_of(scope)
        if credential is None or credential not in self._accepted:
            return _address_of(scope)
        self._accepted.move_to_end(credential)
        return credential

    def learn(self, scope: Scope, *, accepted: bool) -> None:
        """Note what became of a request's credential."""
        credential = _credential_of(scope)
        if credential is None:
            return
        if accepted:
            self._accepted[credential] = None
            if len(self._accepted) > _MOST_REMEMBERED:
                self._accepted.popitem(last=False)
        else:
            self._accepted.pop(credential, None)


@dataclass(frozen=True)
class RequestRates:
    """Who asked how often, as far as this process knows."""

    buckets: TokenBuckets = field(default_factory=TokenBuckets)
    callers: Callers = field(default_factory=Callers)


def _credential_of(scope: Scope) -> str | None:
    """A digest, so that no secret lies in memory for longer than its request."""
    header = Headers(scope=scope).get("authorization")
    return None if header is None else hashlib.sha256(header.encode()).hexdigest()


def _address_of(scope: Scope) -> str:
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))
