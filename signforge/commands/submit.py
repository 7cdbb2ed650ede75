"""`signforge submit pretrain | FILE.json`, and what every submission has in common."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import SpecError
from core.jobs.kinds import PRETRAIN
from core.jobs.scheduling import SchedulingOptions
from core.specs.jobs import DEFAULT_RECIPE
from core.specs.nesting import parse_json
from signforge.client import Client
from signforge.client.models import Job
from signforge.client.specifications import Spec
from signforge.commands.jobs import Deadline, Priority
from signforge.commands.options.spec_file import read_spec_file
from signforge.commands.printing.plain_help import PlainHelp, command_group
from signforge.commands.printing.terminal import AsJson, plain_fields, print_fields, print_json
from signforge.commands.printing.training_report import rising_loss, training_fields
from signforge.commands.printing.watching import watch_until_exit
from signforge.commands.scores import print_evaluation


class FileOrCommand(PlainHelp):
    """A group in which a word that is no command is a file."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command for `args`."""
        if args and args[0] not in self.commands:
            args = ["file", *args]
        return super().resolve_command(ctx, args)


app = command_group(
    cls=FileOrCommand,
    help="Submit a job: `submit pretrain ...`, `submit evaluate ...`, or `submit FILE.json` (- reads "
    "standard input).",
)


CorpusName = Annotated[str, typer.Option("--corpus", help="A corpus' id or name.")]
Splits = Annotated[list[str] | None, typer.Option("--split", help="Only this split (repeatable).")]
Signers = Annotated[list[str] | None, typer.Option("--signer", help="Only this signer (repeatable).")]
NotSigners = Annotated[
    list[str] | None, typer.Option("--exclude-signer", help="Not this signer (repeatable).")
]
NotLabels = Annotated[list[str] | None, typer.Option("--exclude-label", help="Not this gloss (repeatable).")]
_AFTER_SUBMIT = "After `submit` comes `pretrain`, `evaluate` or a JSON file."
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and say what it would cost, but queue nothing.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")]


@app.command()
def pretrain(
    corpus: CorpusName,
    recipe: Annotated[
        str, typer.Option(help="Where to start from: see `signforge recipes`.")
    ] = DEFAULT_RECIPE,
    name: Annotated[str, typer.Option(help="Name of the encoder; names get versions.")] = "encoder",
    start: Annotated[
        str | None, typer.Option(help="An encoder (id or name) to go on from, of the same network.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CORPUS[=WEIGHT]",
            help="A further corpus to train on, and how often to draw its clips: words=0.5 (repeatable).",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change a recipe's field, e.g. run.seed=1."),
    ] = None,
    splits: Splits = None,
    signers: Signers = None,
    exclude_signers: NotSigners = None,
    exclude_labels: NotLabels = None,
    priority: Priority = 0,
    deadline_seconds: Deadline = None,
    dry_run: DryRun = False,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Pretrain an encoder on a corpus; only its split `train` unless --split says otherwise.

    Of further corpora the split `train` is used; a JSON file can select other clips of each.
    """
    clips = selection(splits or ["train"], signers, exclude_signers, exclude_labels)
    spec = {
        "kind": PRETRAIN.name,
        "name": name,
        "corpus": corpus,
        "recipe": recipe,
        "start": start,
        "overrides": overrides(changes or []),
        "clips": clips,
        **({"also": [further_corpus(each) for each in also]} if also else {}),
    }
    submit(
        spec,
        SchedulingOptions(priority, deadline_seconds),
        dry_run=dry_run,
        watch=watch,
        as_json=as_json,
        show=_print_training,
    )


@app.command(hidden=True)
def file(
    path: Annotated[Path, typer.Argument(metavar="FILE.json", allow_dash=True)],
    priority: Priority = 0,
    deadline_seconds: Deadline = None,
    dry_run: DryRun = False,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Submit the job that a JSON file describes, as `POST /v1/jobs` takes it."""
    submit(
        read_spec_file(path, advice=_AFTER_SUBMIT),
        SchedulingOptions(priority, deadline_seconds),
        dry_run=dry_run,
        watch=watch,
        as_json=as_json,
    )


def _print_training(client: Client, job: Job) -> None:
    print_fields(training_fields(job.result or {}))
    if (sentence := rising_loss(client.jobs.metrics(job.id, name="loss"))) is not None:
        typer.echo(sentence)


def _print_result(client: Client, job: Job) -> None:
    """Print what came of a job of any kind in a few lines."""
    if job.kind == PRETRAIN.name:
        _print_training(client, job)
    elif (evaluation_id := (job.result or {}).get("evaluation_id")) is not None:
        print_evaluation(client.evaluations.get(evaluation_id))
    else:
        print_fields(plain_fields(job.result or {}))


def submit(
    spec: Spec,
    scheduling: SchedulingOptions,
    *,
    dry_run: bool,
    watch: bool,
    as_json: bool,
    show: Callable[[Client, Job], None] = _print_result,
) -> None:
    """Submit a job, say its id, and follow it where asked to; `show` prints what came of it."""
    with Client() as client:
        if dry_run:
            _show_dry_run(client.jobs.dry_run(spec), as_json=as_json)
            return
        job = client.jobs.submit(
            spec, priority=scheduling.priority, deadline_seconds=scheduling.deadline_seconds
        )
        if job.waits_for and not watch:
            typer.echo(job.waits_for, err=True)
        if watch:
            typer.echo(f"Submitted {job.id}.", err=as_json)
            job = watch_until_exit(client, job.id, aside=as_json)
            if not as_json:
                show(client, job)
        elif not as_json:
            typer.echo(f"Submitted {job.id}. `signforge watch {job.id}` follows it.")
    if as_json:
        print_json(job)


def _show_dry_run(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    costs = answer.get("estimate") or {}
    print_fields(
        [
            ("kind", answer["kind"]),
            ("queue position", answer["queue_position"]),
            ("waits for", answer.get("waits_for")),
            *((name.replace("_", " "), value) for name, value in costs.items()),
            ("spec", answer["spec"]),
            ("resolved spec", answer["resolved_spec"]),
        ]
    )


def overrides(changes: list[str]) -> dict[str, Any]:
    """Turn `a.b=1` into `{"a": {"b": 1}}`; a value that is not JSON is taken as text.

    Raises:
        SpecError: a change without `=`, or two that contradict each other.
    """
    result: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        path = name.strip().split(".")
        if not equals or not all(path):
            raise SpecError(f"--set {change!r} is not FIELD=VALUE, e.g. --set run.num_epochs=5.")
        place = result
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise SpecError(f"--set {change!r} contradicts an earlier --set of {part!r}.")
        if isinstance(place.get(path[-1]), dict):
            raise SpecError(f"--set {change!r} contradicts an earlier --set below {name!r}.")
        place[path[-1]] = _value(value)
    return result


def further_corpus(written: str) -> dict[str, Any]:
    """Turn `words=0.5` into a corpus with a weight.

    Raises:
        SpecError: there is no name, or no number after `=`.
    """
    name, equals, weight = written.rpartition("=")
    if not equals:
        return {"corpus": written}
    if not name or not isinstance(number := _value(weight), int | float):
        raise SpecError(f"--also {written!r} is not CORPUS or CORPUS=WEIGHT, e.g. --also words=0.5.")
    return {"corpus": name, "weight": number}


def selection(
    splits: list[str] | None,
    signers: list[str] | None,
    exclude_signers: list[str] | None,
    exclude_labels: list[str] | None,
) -> dict[str, list[str]]:
    """A selection of clips, as specifications have it."""
    return {
        "splits": splits or [],
        "signers": signers or [],
        "exclude_signers": exclude_signers or [],
        "exclude_labels": exclude_labels or [],
    }


def _value(written: str) -> Any:
    try:
        return parse_json(written)
    except ValueError:
        return written
