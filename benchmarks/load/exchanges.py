"""Requests over several connections at once: their rate, each one's time, and the server's time for it."""

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from measuring import Spread

from load.api_sides import Server

CONNECTIONS = 8


@dataclass(frozen=True)
class Exchange:
    """One kind of request, by number."""

    method: str
    path_of: Callable[[int], str]
    headers_of: Callable[[int], Mapping[str, str]]
    status: int
    body: str | None = None


@dataclass(frozen=True)
class Load:
    """What one round measured."""

    per_second: float
    milliseconds: float
    """Median time of one request."""
    processor_milliseconds: float
    """The server's processor time for one request."""


def send_all(server: Server, exchange: Exchange, count: int) -> Load:
    """Send `count` requests over CONNECTIONS connections."""
    seconds: list[float] = []
    wrong: set[int] = set()

    def send(numbers: Sequence[int]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for number in numbers:
            headers = {**server.headers, **exchange.headers_of(number)}
            began = time.perf_counter()
            connection.request(exchange.method, exchange.path_of(number), exchange.body, headers)
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - began)
            if answer.status != exchange.status:
                wrong.add(answer.status)
        connection.close()

    threads = [
        threading.Thread(target=send, args=[range(first, count, CONNECTIONS)]) for first in range(CONNECTIONS)
    ]
    used, began = server.processor_seconds(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    assert not wrong, f"answers with status {sorted(wrong)}"
    used = server.processor_seconds() - used
    return Load(count / taken, 1e3 * statistics.median(seconds), 1e3 * used / count)


def poll(server: Server, count: int, tags: Mapping[str, str] | None = None) -> Load:
    """Read the server's jobs in turn; with the ETags `tags` of their paths, which must be unchanged."""
    paths = server.job_paths
    exchange = Exchange(
        "GET",
        lambda number: paths[number % len(paths)],
        lambda number: {"If-None-Match": tags[paths[number % len(paths)]]} if tags else {},
        status=304 if tags else 200,
    )
    return send_all(server, exchange, count)


def interleave(work: Mapping[str, Callable[[int], Load]], *, rounds: int) -> dict[str, list[Load]]:
    """Do each work in alternation, `rounds` times after one round that does not count."""
    loads: dict[str, list[Load]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            load = do(number)
            if number:
                loads[name].append(load)
    return loads


def row(loads: Sequence[Load], beside: Sequence[Load]) -> list[str]:
    """Medians of a work, and its rate as a ratio of another's in the same round."""
    ratios = [ours.per_second / theirs.per_second for ours, theirs in zip(loads, beside, strict=True)]
    return [
        f"{statistics.median(load.per_second for load in loads):.0f} /s",
        f"{statistics.median(load.milliseconds for load in loads):.1f} ms",
        f"{statistics.median(load.processor_milliseconds for load in loads):.2f} ms",
        f"{Spread.of(ratios):.2f}",
    ]
