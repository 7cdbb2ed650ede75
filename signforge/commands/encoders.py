"""`signforge encoders list | show | import | download | delete` and `signforge download`: manage encoders."""

from typing import Annotated

import typer

from core.errors import SpecError
from core.exchange.base_encoder import BASE_NAME
from signforge.client import Client
from signforge.client.models import Evaluation
from signforge.commands.printing.plain_help import command_group
from signforge.commands.printing.terminal import (
    AsJson,
    plain_fields,
    print_fields,
    print_json,
    print_table,
    size,
)
from signforge.commands.printing.watching import transfer_bar, watch_until_exit

app = command_group(help="Encoders: pretrained or imported models to evaluate and download.")

_SCORES = ("top1", "top5", "recall_at_1", "mean_reciprocal_rank", "mean_average_precision", "num_test")

EncoderName = Annotated[str, typer.Argument(metavar="ENCODER", help="An encoder's id or name.")]


@app.command(name="list")
def list_encoders(as_json: AsJson = False) -> None:
    """List encoders, newest first."""
    with Client() as client:
        encoders = client.encoders.list()
    if as_json:
        print_json(encoders)
        return
    print_table(
        ["id", "name", "version", "size", "made by", "created (UTC)"],
        [
            (
                encoder.id,
                encoder.name,
                encoder.version,
                size(encoder.size_bytes),
                encoder.job_id,
                encoder.created_at,
            )
            for encoder in encoders
        ],
        empty="There are no encoders. Train one with `signforge submit pretrain --corpus CORPUS`.",
    )


@app.command()
def show(encoder: EncoderName, as_json: AsJson = False) -> None:
    """Show one encoder with its card and scores."""
    with Client() as client:
        found = client.encoders.get(encoder)
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("id", found.id),
            ("name", f"{found.name}, version {found.version}"),
            ("size", size(found.size_bytes)),
            ("sha256", found.sha256),
            ("made by", found.job_id),
            ("corpus", found.corpus_id),
            ("imported from", (found.card.get("released") or {}).get("file")),
            ("created (UTC)", found.created_at),
            ("recipe", (found.card.get("config") or found.card).get("recipe")),
            *((field, value) for field, value in plain_fields(found.card) if field != "name"),
        ]
    )
    typer.echo("The whole card, with its configuration: --json.")
    if found.evaluations:
        print_scores(found.evaluations)


@app.command(name="import")
def import_encoder(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A downloaded encoder, a .pth.tar of the paper's released code, or signforge-base.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the encoder (default: signforge-base, of that one). Names get versions."),
    ] = None,
    on_server: Annotated[
        bool, typer.Option("--on-server", help="FILE is on the service's machine (below a corpus root).")
    ] = False,
    watch: Annotated[bool, typer.Option(help="Follow the import to its end.")] = True,
    as_json: AsJson = False,
) -> None:
    """Import an encoder from a file: a downloaded one, or a released checkpoint.

    Only weights are read; no code in the file is run. `signforge-base` is the encoder of this installation.
    """
    if name is None and source != BASE_NAME:
        raise SpecError("An imported encoder needs a name: --name NAME.")
    name = name or BASE_NAME
    with Client() as client:
        if on_server:
            from core.jobs.kinds import IMPORT_ENCODER  # slow to import

            job = client.jobs.submit({"kind": IMPORT_ENCODER.name, "source": source, "name": name})
        else:
            with transfer_bar("uploading") as on_bytes:
                job = client.encoders.add(source, name=name, on_bytes=on_bytes)
        if watch:
            typer.echo(f"Submitted {job.id}.", err=True)
            job = watch_until_exit(client, job.id, aside=as_json)
    if as_json:
        print_json(job)
    elif watch:
        typer.echo(f"Encoder {name} is ready: {(job.result or {}).get('encoder_id')}.")
    else:
        typer.echo(f"Submitted {job.id}. `signforge watch {job.id}` follows it.")


@app.command()
def download(
    encoder: EncoderName,
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A file to write, or a folder; PATH/ is always a folder.")
    ] = ".",
) -> None:
    """Download an encoder and verify its sha256. An interrupted download is resumed."""
    with Client() as client, transfer_bar("downloading") as on_bytes:
        target = client.encoders.download(encoder, path, on_bytes=on_bytes)
    typer.echo(str(target))


@app.command()
def delete(encoder: EncoderName) -> None:
    """Delete an encoder (by name: the newest version). Its scores stay."""
    with Client() as client:
        found = client.encoders.delete(encoder)
    typer.echo(f"{found.id} ({found.name}, version {found.version}) is deleted.")


def print_scores(evaluations: tuple[Evaluation, ...] | list[Evaluation]) -> None:
    """Print a table of scores."""
    print_table(
        ["features", "protocol", "folds", "corpus", "top-1", "top-5", "R@1", "MRR", "mAP", "test clips"],
        [
            (
                evaluation.features,
                evaluation.protocol,
                evaluation.folds,
                evaluation.corpus_id,
                *(evaluation.scores.get(name) for name in _SCORES),
            )
            for evaluation in evaluations
        ],
        empty="It has not been evaluated.",
    )
