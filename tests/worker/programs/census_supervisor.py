"""The real supervisor, which knows one more kind of job."""

import sys

from core.jobs.kinds import register
from tests.worker.programs.census import CENSUS
from worker.supervisor import main

if __name__ == "__main__":
    register(CENSUS)
    sys.exit(main(sys.argv[1:]))
