"""`python -m tests.chaos --seed 1 --minutes 10 --database sqlite`: breaks a service in every way it can for a
while, and then looks whether anything was lost, doubled or left. Exits 1 if so.

It starts, hurts and ends its own processes only, and talks to nobody beyond this machine.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.chaos.storm import Report, storm
from tests.servers.small_disk import with_small_disk

_DISK_MEGABYTES = 600
_RUNNING = "SIGNFORGE_CHAOS_RUNNING"


def main() -> int:
    """Parse the command line, run, print the table."""
    options = _parser().parse_args()
    if _RUNNING not in os.environ:  # once more, where the service's folder is a disk that can be filled
        with tempfile.TemporaryDirectory(prefix="sfchaos", dir="/tmp") as outer:
            folder = Path(outer) / "data"
            folder.mkdir()
            os.environ[_RUNNING] = str(folder)
            again = [sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
            return with_small_disk(folder, again, megabytes=_DISK_MEGABYTES)
    folder = Path(os.environ.pop(_RUNNING))
    report = storm(
        folder,
        seed=options.seed,
        seconds=60 * options.minutes,
        database=options.database,
        say=_say,
    )
    _say(table(report, seed=options.seed, database=options.database))
    return 1 if report.violations else 0


def table(report: Report, *, seed: int, database: str) -> str:
    """The report as text."""
    times = f"{report.seconds:.0f} s of faults and {report.settling:.0f} s to settle"
    lines = [f"seed {seed}, {database}, {times}"]
    lines += [f"  {count:5}  {what}" for what, count in sorted(report.faults.items())]
    lines.append(f"  {sum(report.faults.values()):5}  faults in all")
    ended = ", ".join(f"{count} {state}" for state, count in sorted(report.states.items()))
    lines.append(f"  {report.jobs:5}  jobs accepted: {ended}; {report.attempts} attempts")
    lines.append(f"  {report.lost:5}  lost")
    lines.append(f"  {report.doubled:5}  doubled")
    lines.append(f"  {len(report.left):5}  processes left")
    lines.append(f"  {len(report.violations):5}  violations")
    lines += [f"         {violation}" for violation in report.violations]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program for a person


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws the faults and the jobs")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    return parser


if __name__ == "__main__":
    sys.exit(main())
