"""Rate limiting: one token bucket per caller, in the memory of this process.

Responses report the state of the bucket in `RateLimit` fields (draft-ietf-httpapi-ratelimit-headers-10).
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

_MAX_CALLERS = 10_000
"""Callers to remember. The least recently active is evicted first; by then its bucket is full again."""
_IPV6_PREFIX = 64
"""Prefix length of the IPv6 network that a provider assigns to one customer."""


@dataclass(frozen=True)
class Rate:
    """A rate limit: sustained requests per minute, and the burst that a full bucket allows."""

    per_minute: float
    burst: int

    @property
    def per_second(self) -> float:
        """Tokens added to a bucket per second."""
        return self.per_minute / 60


@dataclass(frozen=True)
class Admission:
    """Whether a request is allowed, and the state of its caller's bucket afterwards."""

    allowed: bool
    remaining: int
    retry_after: int
    """Seconds until one more request is allowed."""
    full_after: int
    """Seconds until the bucket is full."""


class TokenBuckets:
    """Token buckets by name. Each fills at a rate and loses one token per request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, rate: Rate) -> Admission:
        """Take one token from the bucket `name`, if it has one."""
        at = self._clock()
        tokens, since = self._buckets.pop(name, (float(rate.burst), at))
        tokens = min(float(rate.burst), tokens + (at - since) * rate.per_second)
        allowed = tokens >= 1
        tokens -= 1 if allowed else 0
        self._buckets[name] = (tokens, at)
        if len(self._buckets) > _MAX_CALLERS:
            self._buckets.popitem(last=False)
        return Admission(
            allowed=allowed,
            remaining=math.floor(tokens),
            retry_after=math.ceil(max(1 - tokens, 0) / rate.per_second),
            full_after=math.ceil((rate.burst - tokens) / rate.per_second),
        )


class Callers:
    """Chooses the bucket of a request without querying the database.

    A credential has its own bucket once it was accepted. Before that, and after it was refused, the sender's
    address is charged. So invented credentials gain nothing, and emptying the bucket of an API key takes its
    secret.
    """

    def __init__(self) -> None:
        self._accepted: OrderedDict[str, None] = OrderedDict()

    def name_of(self, scope: Scope) -> str:
        """The name of the bucket that a request is charged to."""
        credential = _credential_of(scope)
        if credential is None or credential not in self._accepted:
            return _address_of(scope)
        self._accepted.move_to_end(credential)
        return credential

    def learn(self, scope: Scope, *, accepted: bool) -> None:
        """Record whether a request's credential was accepted."""
        credential = _credential_of(scope)
        if credential is None:
            return
        if accepted:
            self._accepted[credential] = None
            if len(self._accepted) > _MAX_CALLERS:
                self._accepted.popitem(last=False)
        else:
            self._accepted.pop(credential, None)


@dataclass(frozen=True)
class RequestRates:
    """The rate limiting state of one process."""

    buckets: TokenBuckets = field(default_factory=TokenBuckets)
    callers: Callers = field(default_factory=Callers)


def _credential_of(scope: Scope) -> str | None:
    """A digest of the credential, so that no secret stays in memory after its request."""
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
