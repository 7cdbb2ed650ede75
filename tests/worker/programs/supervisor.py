"""The real supervisor with the counting program in place of the pretraining one."""

import sys

from worker.supervisor import main

PROGRAMS = {"pretrain": "tests.worker.programs.counting"}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], programs=PROGRAMS))
