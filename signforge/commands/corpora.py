"""`signforge corpora add | check | list | show | leak-audit | delete`: manage corpora."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any

import typer

from signforge.client import Client
from signforge.client.models import Job
from signforge.commands.check_corpus import check
from signforge.commands.leak_audit import leak_audit
from signforge.commands.options.import_options import (
    NewName,
    OnServer,
    Source,
    WatchImport,
    takes_import_options,
)
from signforge.commands.options.local_source import labels_inside, refuse_videos
from signforge.commands.printing.import_report import report_fields, summary_fields
from signforge.commands.printing.plain_help import command_group
from signforge.commands.printing.terminal import AsJson, print_fields, print_json, print_table
from signforge.commands.printing.watching import transfer_bar, watch_until_exit

app = command_group(help="Corpora: clips packed for training and evaluation.")
app.command()(leak_audit)
app.command()(check)


@app.command()
@takes_import_options
def add(
    source: Source,
    name: NewName = "",
    on_server: OnServer = False,
    *,
    fields: dict[str, Any],
    watch: WatchImport = True,
    as_json: AsJson = False,
) -> None:
    """Import pose files: upload, normalise and pack them into a corpus."""
    options = {"name": name or PurePath(source).name.split(".")[0], **fields}
    with Client() as client:
        job = _sent(client, source, on_server=on_server, options=options)
        job = _follow(client, job, aside=as_json) if watch else job
    if as_json:
        print_json(job)
    elif watch:
        result = job.result or {}
        print_fields([*summary_fields(result), *report_fields(result.get("report") or {})])
    else:
        typer.echo(f"Submitted {job.id}. `signforge watch {job.id}` follows it.")


def _sent(client: Client, source: str, *, on_server: bool, options: Mapping[str, Any]) -> Job:
    """Submit the import and return its job. Uploads the source if it is not on the server."""
    if on_server:
        return client.corpora.import_path(source, **options)
    refuse_videos(Path(source))
    options = {**options, "labels": labels_inside(Path(source), options["labels"])}
    with transfer_bar("uploading") as on_bytes:
        return client.corpora.add(Path(source), on_bytes=on_bytes, **options)


@app.command(name="list")
def list_corpora(as_json: AsJson = False) -> None:
    """List corpora, newest first."""
    with Client() as client:
        corpora = client.corpora.list()
    if as_json:
        print_json(corpora)
        return
    print_table(
        ["id", "name", "clips", "glosses", "signers", "created (UTC)"],
        [
            (
                corpus.id,
                corpus.name,
                corpus.summary.get("num_clips"),
                len(corpus.summary.get("label_names") or ()),
                len(corpus.summary.get("signer_names") or ()),
                corpus.created_at,
            )
            for corpus in corpora
        ],
        empty="There are no corpora. Import one with `signforge corpora add PATH --name NAME`.",
    )


@app.command()
def show(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus' id or name.")],
    as_json: AsJson = False,
) -> None:
    """Show one corpus."""
    with Client() as client:
        found = client.corpora.get(corpus)
    if as_json:
        print_json(found)
        return
    print_fields(
        [
            ("id", found.id),
            ("name", found.name),
            ("digest", found.digest),
            ("import job", found.job_id),
            ("created (UTC)", found.created_at),
            *((field, found.summary.get(field)) for field in ("num_clips", "num_frames")),
            *summary_fields(found.summary),
            *report_fields(found.summary.get("report") or {}),
        ]
    )


@app.command()
def delete(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus' id or name.")],
) -> None:
    """Delete a corpus and free its name. Encoders and scores made from it stay."""
    with Client() as client:
        found = client.corpora.delete(corpus)
    typer.echo(f"{found.id} ({found.name}) is deleted.")


def _follow(client: Client, job: Job, *, aside: bool) -> Job:
    typer.echo(f"Submitted {job.id}.", err=True)
    job = watch_until_exit(client, job.id, aside=aside)
    typer.echo(f"Corpus {job.name} is ready: {(job.result or {}).get('corpus_id')}.", err=True)
    return job
