"""The real Celery worker on a broker that takes a doorbell back after seconds instead of an hour.

As `tests.worker.programs.celery_worker`; how many is in IMPATIENT_SECONDS; on Redis the client says.
"""

import os
import sys
from typing import Any

from tests.worker.programs.supervisor import PROGRAMS
from worker import app
from worker.main import main

_transport_options = app._transport_options


def _impatient(broker_url: str) -> dict[str, Any]:
    options = _transport_options(broker_url)
    if broker_url.startswith("redis"):
        options["visibility_timeout"] = float(os.environ["IMPATIENT_SECONDS"])
    return options


if __name__ == "__main__":
    app._transport_options = _impatient
    sys.exit(main(supervisor="tests.worker.programs.supervisor", programs=PROGRAMS))
