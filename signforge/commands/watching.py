"""Following a job on a terminal: a progress bar where there is one, lines where there is none."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from signforge.client import Client
from signforge.client.download import OnBytes
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
from signforge.commands.terminal import EXIT_FAILED, EXIT_INTERRUPTED, output, text

_LINE_EVERY_SECONDS = 5.0


def watch_until_exit(client: Client, job_id: str, *, aside: bool = False) -> Job:
    """Follow a job to its end and return it; exit with a code where it did not succeed, or on Ctrl-C.

    `aside` tells of it on standard error, where standard output is for a script.
    """
    try:
        job = watch_job(client, job_id, output(stderr=aside))
    except KeyboardInterrupt:
        typer.echo(
            f"\n{job_id} goes on running. `signforge watch {job_id}` looks again, "
            f"`signforge cancel {job_id}` stops it.",
            err=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if not job.has_succeeded:
        reason = f" ({job.status_reason})" if job.status_reason else ""
        message = f": {job.status_message}" if job.status_message else "."
        typer.echo(f"Error: {job.id} {job.state}{reason}{message}", err=True)
        raise typer.Exit(EXIT_FAILED)
    return job


def watch_job(client: Client, job_id: str, console: Console) -> Job:
    """Print a job's events as they happen and return the job at its end."""
    view = BarView(console) if console.is_terminal else LineView(console)
    with view.shown():
        for event in client.jobs.events(job_id):
            view.show(event)
    return client.jobs.get(job_id)


@contextmanager
def transfer_bar(label: str) -> Iterator[OnBytes]:
    """A progress bar for bytes; yields what to call with (bytes so far, bytes in all)."""
    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


class BarView:
    """One progress bar per phase, with what happens above it."""

    def __init__(self, console: Console) -> None:
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
    """A line per event; progress at most every few seconds."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._silent_until = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Nothing to prepare."""
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
    """Steps done, of how many where that is known; nothing where nothing is counted."""
    if not progress.total_steps:
        return str(progress.step or "")
    return f"{progress.step or 0}/{progress.total_steps}"


def numbers(progress: JobProgress) -> str:
    """Loss, newest score on held-out clips, rate and time left, as far as they are known."""
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
    """A step's numbers on one line."""
    return f"step {step.step}  " + "  ".join(f"{name} {text(value)}" for name, value in step.metrics.items())
