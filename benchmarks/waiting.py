"""What a person waits for: polls, submissions and commands, beside another checkout and beside the least.

    python benchmarks/waiting.py                                      # this checkout
    python benchmarks/waiting.py --before ../before                   # and another, in alternation
    python benchmarks/waiting.py --parts polls --rounds 9             # one part

All on the loopback interface and SQLite, clients on the same machine. The first step of a job is measured by
`service_load.py --parts first-step`, imports by `importing.py`.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # to import the tests' servers

from load.api_sides import OURS, Server, servers_of
from load.attack import attacker, looks
from load.exchanges import Exchange, Load, interleave, poll, row, send_all
from measuring import Side, Spread, interleaved, table

from api.bounds.connections import raise_file_limit

POLLS, SUBMISSIONS, COMMITS, ATTACKED_POLLS = 800, 200, 400, 4000
COMMANDS = ("--help", "--version", "jobs")
_BARE = "bare endpoint"


def polls(folder: Path, checkouts: Mapping[str, Path], rounds: int) -> str:
    """Polls of queued jobs, with and without the ETag of an earlier answer, beside the bare endpoint."""
    with servers_of(folder, checkouts) as servers:
        work: dict[str, Callable[[int], Load]] = {}
        for name, server in servers.items():
            work[f"poll, {name}"] = _polls(server)
            if name != _BARE:
                work[f"poll, unchanged (304), {name}"] = _polls(server, _tags_of(server))
        loads = interleave(work, rounds=rounds)
    beside = loads[f"poll, {_BARE}"]
    return _table("the bare endpoint", {name: row(found, beside) for name, found in loads.items()})


def submissions(folder: Path, checkouts: Mapping[str, Path], rounds: int) -> str:
    """Submissions with idempotency keys, the same again, and one durable transaction of one row."""
    with servers_of(folder, checkouts) as servers:
        work: dict[str, Callable[[int], Load]] = {}
        for name in checkouts:
            work[f"submission, {name}"] = _submit(servers[name], lambda number: f"{number}")
            work[f"repeated, {name}"] = _submit(servers[name], lambda _: "1")
        work["one durable transaction"] = lambda _: _commit(folder / "commits.db")
        loads = interleave(work, rounds=rounds)
    last = list(checkouts)[-1]
    rows = {
        name: row(
            found, loads[f"{name.partition(', ')[0]}, {last}" if ", " in name else f"submission, {last}"]
        )
        for name, found in loads.items()
    }
    return _table(last, rows)


def commands(folder: Path, checkouts: Mapping[str, Path], rounds: int) -> str:
    """Whole commands, from start to end, beside an empty program; `jobs` lists those of this API."""
    with servers_of(folder, {"now": OURS}) as servers:
        server = servers["now"]
        service = {
            "SIGNFORGE_URL": f"http://127.0.0.1:{server.port}",
            "SIGNFORGE_API_KEY": server.headers["Authorization"].split()[1],
        }
        sides = {"python -c pass": _run(["-c", "pass"], OURS, service)}
        for name, checkout in checkouts.items():
            for word in COMMANDS:
                sides[f"signforge {word}, {name}"] = _run(["-m", "signforge", word], checkout, service)
        found = interleaved(sides, rounds=rounds)
    rows = [[name, f"{Spread.of(seconds):.2f} s"] for name, seconds in found.items()]
    return table(["", "seconds"], rows)


def attack(folder: Path, checkouts: Mapping[str, Path], rounds: int) -> str:
    """Polls, and looks at /healthz, without and with 2,000 idle connections, 100 readers
    that never read and 36 hostile requests at once."""
    raise_file_limit()
    with servers_of(folder, checkouts) as servers:
        rows = [cells for name in checkouts for cells in _attacked(servers[name], name, rounds)]
    return table(
        ["", "polls a second", "times without", "/healthz: median, slowest", "answers to the hostile"], rows
    )


PARTS = {"polls": polls, "submissions": submissions, "commands": commands, "attack": attack}


def main() -> None:
    """Measure the selected parts and print a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    checkouts = {"now": OURS, **({"before": options.before.resolve()} if options.before else {})}
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start", flush=True)
    for part in options.parts:
        with tempfile.TemporaryDirectory(prefix="sfwait") as folder:
            print(PARTS[part](Path(folder), checkouts, options.rounds), end="\n\n", flush=True)


def _attacked(server: Server, name: str, rounds: int) -> list[list[str]]:
    """The rows of one server; rounds without and with an attack alternate."""
    key, job_id = server.headers["Authorization"].split()[1], server.job_paths[0].rpartition("/")[2]
    quiet, busy, seconds, statuses = [], [], [], ""
    for _ in range(rounds):
        quiet.append(poll(server, ATTACKED_POLLS).per_second)
        with looks(server.port) as found, attacker(server.port, key, job_id) as attack_now:
            attack_now.start()
            busy.append(poll(server, ATTACKED_POLLS).per_second)
            statuses = attack_now.finish()
        seconds += found
    ratios = [with_it / without for with_it, without in zip(busy, quiet, strict=True)]
    return [
        [f"{name}, left alone", f"{statistics.median(quiet):.0f}", "1", "", ""],
        [
            f"{name}, attacked",
            *(f"{statistics.median(busy):.0f}", f"{Spread.of(ratios):.2f}"),
            *(f"{1e3 * statistics.median(seconds):.0f}, {1e3 * max(seconds):.0f} ms", statuses),
        ],
    ]


def _polls(server: Server, tags: Mapping[str, str] | None = None) -> Callable[[int], Load]:
    return lambda _: poll(server, POLLS, tags)


def _tags_of(server: Server) -> dict[str, str]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=dict(server.headers)) as client:
        return {path: client.get(path).headers["etag"] for path in server.job_paths}


def _submit(server: Server, key_of_round: Callable[[int], str]) -> Callable[[int], Load]:
    body = json.dumps({"kind": "pretrain", "corpus": "cor_load", "recipe": "smoke"})

    def submit(round_number: int) -> Load:
        prefix = key_of_round(round_number)
        exchange = Exchange(
            "POST",
            lambda _: "/v1/jobs",
            lambda number: {"Content-Type": "application/json", "Idempotency-Key": f"{prefix}-{number}"},
            status=201,
            body=body,
        )
        return send_all(server, exchange, SUBMISSIONS)

    return submit


def _commit(file: Path) -> Load:
    """Transactions of one row by one connection of SQLite, each durable, without any framework."""
    with sqlite3.connect(file, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE IF NOT EXISTS rows (value INTEGER)")
        used, began = time.process_time(), time.perf_counter()
        for number in range(COMMITS):
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO rows VALUES (?)", (number,))
            database.execute("COMMIT")
        taken, used = time.perf_counter() - began, time.process_time() - used
    return Load(COMMITS / taken, 1e3 * taken / COMMITS, 1e3 * used / COMMITS)


def _run(words: list[str], checkout: Path, service: Mapping[str, str]) -> Side:
    environment = {**os.environ, **service, "PYTHONPATH": str(checkout)}

    def side() -> float:
        began = time.perf_counter()
        command = [sys.executable, *words]
        subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    return side


def _table(beside: str, rows: Mapping[str, list[str]]) -> str:
    header = ["", "rate", "each", "processor time of the server", f"times {beside}"]
    return table(header, [[name, *cells] for name, cells in rows.items()])


if __name__ == "__main__":
    main()
