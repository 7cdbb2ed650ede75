"""The command line: `signforge up`, `signforge submit`, `signforge watch` and the rest.

Only the module of the command that runs is imported, so that a command starts fast.
"""

import os
import sys
from typing import Annotated

import typer

from core.jobs.setting_names import misspelt_settings
from core.program.idle_threads import sleeping_threads
from signforge.commands.lazy_group import LazyCommand, LazyGroup
from signforge.commands.printing.plain_help import command_group

_CLUSTER = "Run the parts of a cluster"


class Commands(LazyGroup):
    """All commands, in the order of `signforge --help`."""

    table = (
        LazyCommand(
            "up",
            "service:up",
            "Start the service on this machine: broker, API, reconciler and one worker. Ctrl-C stops it.",
        ),
        LazyCommand(
            "demo",
            "service:demo",
            "Run all steps on synthetic signers: import, pretrain, evaluate, download, embed.",
        ),
        LazyCommand(
            "synthetic",
            "synthetic:synthetic",
            "Write synthetic recordings: one .npz file of keypoints per clip, and labels.csv.",
        ),
        LazyCommand(
            "run",
            "run:run",
            "Run a job here, without a service: import, pretrain, evaluate or any other kind.",
        ),
        LazyCommand(
            "evaluate",
            "evaluate:evaluate",
            "Score features on a labelled corpus: probes on frozen features, search, or fine-tuning.",
        ),
        LazyCommand("scores", "scores:scores", "Show the scores of an evaluation."),
        LazyCommand("jobs", "jobs:list_jobs", "List jobs, newest first."),
        LazyCommand("show", "jobs:show", "Show one job: its specification, state and result."),
        LazyCommand("watch", "jobs:watch", "Follow a job to its end. Ctrl-C stops watching, not the job."),
        LazyCommand(
            "logs",
            "jobs:logs",
            "Print what a job's program wrote to standard error. Ctrl-C stops printing, not the job.",
        ),
        LazyCommand("cancel", "jobs:cancel", "Cancel a job."),
        LazyCommand("pause", "jobs:pause", "Pause a running job: save a checkpoint and free its worker."),
        LazyCommand("resume", "jobs:resume", "Queue a paused job again. It resumes from its checkpoint."),
        LazyCommand(
            "retry",
            "jobs:retry",
            "Retry a final job. A failed or cancelled job resumes from its last checkpoint.",
        ),
        LazyCommand(
            "download",
            "encoders:download",
            "Download an encoder and verify its sha256. An interrupted download is resumed.",
        ),
        LazyCommand(
            "embed",
            "embed:embed",
            "Embed pose files with a downloaded encoder, batch by batch, so that any number fits in memory.",
        ),
        LazyCommand(
            "export",
            "export:export",
            "Export a downloaded encoder to another format, and verify the result against PyTorch.",
        ),
        LazyCommand(
            "recipes",
            "recipes:recipes",
            "List the recipes of pretraining, or show one with every field that --set may change.",
        ),
        LazyCommand(
            "api",
            "cluster:api",
            "Serve the HTTP API at SIGNFORGE_HOST and SIGNFORGE_PORT. Several may run.",
            _CLUSTER,
        ),
        LazyCommand(
            "reconciler",
            "cluster:reconciler",
            "Requeue the jobs of lost workers, deliver webhooks and remove unused files. "
            "Run one; two are safe.",
            _CLUSTER,
        ),
        LazyCommand(
            "worker",
            "cluster:worker",
            "Run jobs on the GPUs in CUDA_VISIBLE_DEVICES, or on the CPU. Run one worker per GPU.",
            _CLUSTER,
        ),
        LazyCommand(
            "health",
            "cluster:health",
            "Health check: exit with 0 if this machine's PART is running, else with 1 and the reason.",
            _CLUSTER,
        ),
        LazyCommand("corpora", "corpora:app", "Corpora: clips packed for training and evaluation."),
        LazyCommand(
            "submit",
            "evaluate:submissions",
            "Submit a job: `submit pretrain ...`, `submit evaluate ...`, or `submit FILE.json` "
            "(- reads standard input).",
        ),
        LazyCommand(
            "encoders", "encoders:app", "Encoders: pretrained or imported models to evaluate and download."
        ),
        LazyCommand("webhooks", "webhooks:app", "Webhooks: send your server each state change of your jobs."),
        LazyCommand("keys", "keys:app", "API keys: create, list, rotate and revoke."),
    )


app = command_group(
    name="signforge",
    cls=Commands,
    help="Train self-supervised sign-language encoders: import pose files, submit jobs, download encoders.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # slow to import

        typer.echo(f"signforge {version('signforge')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line (the entry point `signforge`)."""
    for warning in misspelt_settings():
        typer.echo(f"Warning: {warning}", err=True)
    os.environ.update(sleeping_threads())  # for every command that computes, and what it starts
    _import_httpx_alone()
    app()


def _import_httpx_alone() -> None:
    """Keep `import httpx` from loading httpx's own command line, with click and most of rich.

    It does so wherever they are installed; None makes that import fail as where they are not.
    """
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
