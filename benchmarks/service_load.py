"""Load test of a service on one machine: submissions, polls, event streams, claims, and cost for training.

    python benchmarks/service_load.py                                      # all parts, on both databases
    python benchmarks/service_load.py --parts claims --databases sqlite    # one part

Starts real processes on the loopback interface (API, Valkey, reconciler, worker, PostgreSQL) with their data
below TMPDIR, and removes it. The load is generated on the same machine, so results include its cost.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # to import the tests' servers

from load.cancelling import cancels
from load.claims import claims
from load.command_line import command_line
from load.listeners import listeners
from load.requests import polls, submissions
from load.stage import stage
from load.training import first_step, overhead
from measuring import table

PARTS = {
    "submissions": submissions,
    "polls": polls,
    "listeners": listeners,
    "claims": claims,
    "first-step": first_step,
    "cancel": cancels,
    "overhead": overhead,
    "command-line": command_line,
}
DATABASES = ("sqlite", "postgresql")


def main() -> None:
    """Measure the selected parts on the selected databases and print one line per result."""
    options = arguments()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start", flush=True)
    for part in options.parts:
        rows = []
        for database in options.databases:
            with stage(database) as each:
                rows += [[what, database, found] for what, found in PARTS[part](each)]
        print(table(["", "database", ""], rows), end="\n\n", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
