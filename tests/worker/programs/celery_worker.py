"""The real Celery worker, whose supervisors run the counting program."""

import sys

from tests.worker.programs.supervisor import PROGRAMS
from worker.main import main

if __name__ == "__main__":
    sys.exit(main(supervisor="tests.worker.programs.supervisor", programs=PROGRAMS))
