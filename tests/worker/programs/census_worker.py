"""The real Celery worker, which knows one more kind of job, as do its supervisors."""

import sys

from core.jobs.kinds import register
from tests.worker.programs.census import CENSUS
from worker.main import main

if __name__ == "__main__":
    register(CENSUS)
    sys.exit(main(supervisor="tests.worker.programs.census_supervisor"))
