"""Follow a job: a progress bar on a terminal, plain lines otherwise."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from signforge.client import Client
from signforge.client.event_models import (
    CheckpointEvent,
    Event,
    LogEvent,
    MetricEvent,
    ProgressEvent,
    StateEvent,
    StepMetrics,
)
from signforge.client.models import Job
from signforge.client.models import Progress as JobProgress
from signforge.client.transport.download import OnBytes
from signforge.commands.printing.terminal import EXIT_FAILED, EXIT_INTERRUPTED, output, text

if TYPE_CHECKING:
    from rich.console import Console

_LINE_EVERY_SECONDS = 5.0
_WAITING = ("queued", "paused")
"""States in which a job may stay until a person does something."""


def watch_until_exit(client: Client, job_id: str, *, aside: bool = False) -> Job:
    """Follow a job to its end and return it. Exits with a code if it did not succeed, or on Ctrl-C.

    `aside` prints to standard error, to keep standard output for scripts.
    """
    try:
        job = watch_job(client, job_id, output(stderr=aside))
    except KeyboardInterrupt:
        typer.echo(
            f"\nStopped watching {job_id}, which is not cancelled. "
            f"`signforge watch {job_id}` follows it again, `signforge cancel {job_id}` cancels it.",
            err=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if not job.has_succeeded:
        reason = f" ({job.status_reason})" if job.status_reason else ""
        message = f": {job.status_message}" if job.status_message else "."
        typer.echo(f"Error: {job.id} {job.state}{reason}{message}", err=True)
        raise typer.Exit(EXIT_FAILED)
    return job


def watch_job(client: Client, job_id: str, console: "Console") -> Job:
    """Print a job's events as they happen, except a failure, which the caller reports.

    Returns the final job.
    """
    view = BarView(console) if console.is_terminal else LineView(console)
    with view.shown():
        for event in client.jobs.events(job_id, on_away=_tell_of_outage):
            if not (isinstance(event, StateEvent) and event.data.target == "failed"):
                view.show(event)
            if isinstance(event, StateEvent) and event.data.target in _WAITING:
                _tell_what_it_waits_for(client.jobs.get(job_id), console)
    return client.jobs.get(job_id)


def what_it_waits_for(job: Job) -> str | None:
    """What a job needs before it goes on, in a sentence. None if it needs nothing that is known."""
    if job.state == "paused":
        return f"The job stays paused until `signforge resume {job.id}` resumes it. Ctrl-C stops watching."
    return job.waits_for


def _tell_what_it_waits_for(job: Job, console: "Console") -> None:
    needed = what_it_waits_for(job)
    if needed:
        console.print(text(needed))


def _tell_of_outage() -> None:
    typer.echo("The service does not answer; waiting up to a minute for it.", err=True)


@contextmanager
def transfer_bar(label: str) -> Iterator[OnBytes]:
    """Show a progress bar of bytes. Yields a function to call with (bytes done, total bytes)."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


class BarView:
    """One progress bar per phase, with other events printed above it."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TextColumn  # slow to import

        self._bar = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}"),
            console=console,
        )
        self._task = self._bar.add_task("waiting", total=None, words="", visible=False)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the bar until the end."""
        with self._bar:
            yield

    def show(self, event: Event) -> None:
        """Draw one event."""
        if isinstance(event, ProgressEvent):
            progress = event.data
            self._bar.update(
                self._task,
                visible=True,
                description=progress.phase or "working",
                completed=progress.step or 0,
                total=progress.total_steps,
                words=f"{steps(progress)}  {numbers(progress)}",
            )
        elif not isinstance(event, MetricEvent):
            self._bar.console.print(sentence(event))


class LineView:
    """One line per event, progress at most every few seconds."""

    def __init__(self, console: "Console", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._silent_until = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Do nothing: lines need no preparation."""
        yield

    def show(self, event: Event) -> None:
        """Print one event."""
        if isinstance(event, MetricEvent):
            return
        if isinstance(event, ProgressEvent):
            if self._clock() < self._silent_until:
                return
            self._silent_until = self._clock() + _LINE_EVERY_SECONDS
        self._console.print(sentence(event))


def sentence(event: Event) -> str:
    """An event in words."""
    if isinstance(event, StateEvent):
        change = event.data
        why = ": ".join(part for part in (change.reason, change.message) if part)
        return f"{change.target}{f' ({text(why)})' if why else ''}"
    if isinstance(event, ProgressEvent):
        words = (event.data.phase or "working", steps(event.data), numbers(event.data))
        return "  ".join(word for word in words if word)
    if isinstance(event, CheckpointEvent):
        return f"checkpoint at step {event.data.step}"
    if isinstance(event, LogEvent):
        return text(event.data.message)
    assert isinstance(event, MetricEvent)
    return metrics_in_words(event.data)


def steps(progress: JobProgress) -> str:
    """Steps done and, if known, the total. Empty if the phase has no steps."""
    if not progress.total_steps:
        return str(progress.step or "")
    return f"{progress.step or 0}/{progress.total_steps}"


def numbers(progress: JobProgress) -> str:
    """Loss, newest score on held-out clips, speed and time left, if known."""
    loss = progress.metrics.get("loss")
    score = progress.metrics.get("quality/knn")
    rate, left = progress.samples_per_second, progress.eta_seconds
    words = (
        None if loss is None else f"loss {loss:.4g}",
        None if score is None else f"kNN {score:.3f}",
        None if rate is None else f"{rate:.0f} clips/s",
        None if left is None else f"{timedelta(seconds=round(left))} left",
    )
    return "  ".join(word for word in words if word)


def metrics_in_words(step: StepMetrics) -> str:
    """A step's metrics on one line."""
    return f"step {step.step}  " + "  ".join(f"{name} {text(value)}" for name, value in step.metrics.items())
