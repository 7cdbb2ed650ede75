"""`signforge jobs | show | watch | logs | cancel | pause | resume | retry`: list, follow and control jobs."""

from typing import Annotated

import typer

from core.errors import SpecError
from core.jobs.states import State
from signforge.client import Client
from signforge.client.models import Job
from signforge.commands.options.durations import in_seconds
from signforge.commands.printing.terminal import AsJson, plain_fields, print_fields, print_json, print_table
from signforge.commands.printing.watching import steps, watch_until_exit

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]
Priority = Annotated[
    int, typer.Option("--priority", min=-100, max=100, help="Jobs of higher priority are claimed first.")
]
Deadline = Annotated[
    float | None,
    in_seconds("--deadline", explanation="A job that has not ended by then fails."),
]


def _registered_kind(name: str) -> str:
    """Validate the name of a job kind against the registry when the command runs."""
    from core.jobs.kinds import find  # slow to import

    try:
        return find(name).name
    except SpecError as error:
        raise typer.BadParameter(str(error)) from None


OfKind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        parser=_registered_kind,
        help="Only jobs of this kind, such as import, pretrain or evaluate.",
    ),
]


def list_jobs(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: OfKind = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of jobs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with Client() as client:
        jobs = client.jobs.list(state=state, kind=kind, limit=limit)
    if as_json:
        print_json(jobs)
        return
    print_table(
        ["id", "kind", "name", "state", "progress", "created (UTC)"],
        [(job.id, job.kind, job.name, job.state, _progress(job), job.created_at) for job in jobs],
        empty="No jobs match. `signforge submit --help` shows how to submit one.",
    )


def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job: its specification, state and result."""
    with Client() as client:
        job = client.jobs.get(job_id)
    if as_json:
        print_json(job)
        return
    print_fields(
        [
            *((name, getattr(job, name)) for name in ("id", "kind", "name", "state")),
            ("reason", job.status_reason),
            ("message", job.status_message),
            ("queue position", job.queue_position),
            ("waits for", job.waits_for),
            ("priority", job.priority or None),
            ("deadline (UTC)", job.deadline_at),
            ("retry of", job.retry_of),
            ("progress", _progress(job)),
            ("attempt", job.attempt or None),
            ("created (UTC)", job.created_at),
            ("started", job.started_at),
            ("finished", job.finished_at),
            ("spec", job.spec),
            *plain_fields(job.result or {}),
        ]
    )
    if job.resolved_spec or job.result:
        typer.echo("All fields, with the resolved specification and the result: --json.")


def watch(job_id: JobId) -> None:
    """Follow a job to its end. Ctrl-C stops watching, not the job."""
    with Client() as client:
        watch_until_exit(client, job_id)


def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until the job has ended.")] = False,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Number of the attempt (default: newest).")
    ] = None,
) -> None:
    """Print what a job's program wrote to standard error. Ctrl-C stops printing, not the job."""
    shown = None
    with Client() as client:
        for page in client.jobs.logs(job_id, attempt=attempt, follow=follow):
            if shown is not None and page.attempt != shown:
                typer.echo(f"Attempt {page.attempt} begins.", err=True)
            shown = page.attempt
            for piece in page.data:
                if piece.remark:
                    typer.echo(piece.remark, err=True)
                typer.echo(piece.text, nl=False)


def cancel(job_id: JobId) -> None:
    """Cancel a job."""
    with Client() as client:
        job = client.jobs.cancel(job_id)
    typer.echo(f"{job.id} is {job.state}.")


def pause(job_id: JobId) -> None:
    """Pause a running job: save a checkpoint and free its worker."""
    with Client() as client:
        job = client.jobs.pause(job_id)
    typer.echo(f"{job.id} is {job.state}. `signforge resume {job.id}` resumes it.")


def resume(job_id: JobId) -> None:
    """Queue a paused job again. It resumes from its checkpoint."""
    with Client() as client:
        job = client.jobs.resume(job_id)
    typer.echo(f"{job.id} is {job.state}.")


def retry(job_id: JobId, priority: Priority = 0, deadline_seconds: Deadline = None) -> None:
    """Retry a final job. A failed or cancelled job resumes from its last checkpoint."""
    with Client() as client:
        job = client.jobs.retry(job_id, priority=priority, deadline_seconds=deadline_seconds)
    typer.echo(f"{job.id} is {job.state}. `signforge watch {job.id}` follows it.")


def _progress(job: Job) -> str:
    return f"{job.progress.phase or ''} {steps(job.progress)}".strip() if job.progress else ""
