"""The real Celery worker, whose supervisors know one more kind of job."""

import sys

from worker.main import main

if __name__ == "__main__":
    sys.exit(main(supervisor="tests.worker.programs.census_supervisor"))
