"""`signforge api | reconciler | worker | health`: run the parts of a cluster, one process each.

Settings come from the environment (`SIGNFORGE_...`).
"""

import os
from enum import StrEnum

import typer

from signforge.installation import require

PANEL = "Run the parts of a cluster"
_DATABASE = ("alembic", "sqlalchemy", "uuid_utils")


class Part(StrEnum):
    """A part of a cluster, which runs in its own process."""

    API = "api"
    RECONCILER = "reconciler"
    WORKER = "worker"


def api() -> None:
    """Serve the HTTP API at SIGNFORGE_HOST and SIGNFORGE_PORT. Several may run."""
    require("api", "fastapi", "uvicorn", "celery", *_DATABASE, what="`signforge api`")
    from api.main import main

    main()


def reconciler() -> None:
    """Requeue the jobs of lost workers, deliver webhooks and remove unused files. Run one; two are safe."""
    require("api", "celery", "httpcore", "obstore", *_DATABASE, what="`signforge reconciler`")
    from worker.reconciler import main

    raise typer.Exit(main())


def worker() -> None:
    """Run jobs on the GPUs in CUDA_VISIBLE_DEVICES, or on the CPU. Run one worker per GPU."""
    require("worker", "celery", "torch", "obstore", *_DATABASE, what="`signforge worker`")
    from worker.main import main

    os.environ["PYTHONSAFEPATH"] = "1"  # its programs must not import from the current folder
    raise typer.Exit(main())


def health(part: Part) -> None:
    """Health check: exit with 0 if this machine's PART is running, else with 1 and the reason."""
    require("api", "celery", *_DATABASE, what="`signforge health`")
    from signforge.commands.health import fault_of

    fault = fault_of(part.value)
    if fault:
        typer.echo(fault, err=True)
        raise typer.Exit(1)
