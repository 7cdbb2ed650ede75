"""Middleware that enforces the rate limits, before any other work is done for a request."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import caller_of
from api.bounds.rate_limits import Admission, Rate
from api.problems import Problem, problem_response
from core.jobs.settings import Settings

_EXEMPT = frozenset({"/healthz", "/readyz", "/metrics"})
"""Operators must be able to monitor the service while it is overloaded."""
_UNAUTHORISED = 401


class RateLimit:
    """Charges each request to its caller's bucket. Refuses excess requests with 429, without a query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _EXEMPT:
            await self._app(scope, receive, send)
            return
        service = scope["app"].state.service
        rate, rates = _rate_of(service.settings), service.rates
        if rate is None:
            await self._app(scope, receive, send)
            return
        admission = rates.buckets.take(rates.callers.name_of(scope), rate)

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), rate, admission)
                if caller_of(scope) is not None or message["status"] == _UNAUTHORISED:
                    rates.callers.learn(scope, accepted=caller_of(scope) is not None)
            await send(message)

        if admission.allowed:
            await self._app(scope, receive, send_with_limits)
        else:
            refusal = problem_response(Request(scope), _refusal(rate, admission))
            await refusal(scope, receive, send_with_limits)


def _rate_of(settings: Settings) -> Rate | None:
    if settings.requests_per_minute == 0:
        return None
    return Rate(settings.requests_per_minute, settings.request_burst)


def _add_headers(headers: MutableHeaders, rate: Rate, admission: Admission) -> None:
    window = max(1, round(rate.burst / rate.per_second))
    headers["RateLimit-Policy"] = f'"requests";q={rate.burst};w={window}'
    headers["RateLimit"] = f'"requests";r={admission.remaining};t={admission.full_after}'


def _refusal(rate: Rate, admission: Admission) -> Problem:
    detail = (
        f"Too many requests: the limit is {rate.per_minute:g} a minute, in bursts of at most {rate.burst}. "
        f"Retry after {admission.retry_after} s, or raise SIGNFORGE_REQUESTS_PER_MINUTE or "
        "SIGNFORGE_REQUEST_BURST on the server."
    )
    return Problem(429, "too-many-requests", detail, headers={"Retry-After": str(admission.retry_after)})
