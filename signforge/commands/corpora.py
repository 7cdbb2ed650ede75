"""`signforge corpora add | list | show | audit | delete`."""

from enum import StrEnum
from pathlib import Path, PurePath
from typing import Annotated, Any

import typer

from core.specs import WantedFormat
from signforge.client import Client
from signforge.commands.auditing import audit
from signforge.commands.import_report import report_fields
from signforge.commands.terminal import AsJson, print_fields, print_json, print_table
from signforge.commands.watching import transfer_bar, watch_until_exit
from signforge.models import Job

app = typer.Typer(no_args_is_help=True, help="Corpora: clips packed for training and evaluation.")
app.command()(audit)


class SplitBy(StrEnum):
    """How clips are divided into train and test."""

    GIVEN = "given"
    SIGNER = "signer"
    SESSION = "session"
    RANDOM = "random"


class Profile(StrEnum):
    """Whose confidence thresholds normalisation uses."""

    WLASL = "wlasl"
    MSASL = "msasl"
    SLR500 = "slr500"
    NMFS_CSL = "nmfs_csl"


@app.command()
def add(
    source: Annotated[str, typer.Argument(metavar="PATH", help="A pose file, an archive or a folder.")],
    name: Annotated[str, typer.Option(help="Name of the new corpus; without it, the file's own.")] = "",
    on_server: Annotated[
        bool, typer.Option("--on-server", help="PATH is on the service's machine (below a corpus root).")
    ] = False,
    split_by: Annotated[SplitBy, typer.Option(help="How clips are divided.")] = SplitBy.GIVEN,
    test: Annotated[
        list[str] | None, typer.Option("--test", help="A signer or session that goes to test (repeatable).")
    ] = None,
    test_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Share that goes to test without --test.")
    ] = 0.2,
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Accept a signer on both sides; scores are inflated.")
    ] = False,
    source_format: Annotated[WantedFormat, typer.Option("--format", help="Its layout.")] = "auto",
    profile: Annotated[
        Profile | None, typer.Option(help="Confidence thresholds; without it, the benchmark's own.")
    ] = None,
    image_width: Annotated[int | None, typer.Option(min=1, help="Pixels, where it does not say.")] = None,
    image_height: Annotated[int | None, typer.Option(min=1, help="Pixels, where it does not say.")] = None,
    override_image_size: Annotated[
        bool,
        typer.Option("--override-image-size", help="Use this size even where a benchmark states another."),
    ] = False,
    classes: Annotated[
        int | None, typer.Option("--classes", min=1, help="A benchmark's first so many classes only.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="A benchmark's clip to leave out (repeatable).")
    ] = None,
    exclude_at: Annotated[
        list[int] | None,
        typer.Option(
            "--exclude-train-position", min=0, help="The same, by place in the training list, from 0."
        ),
    ] = None,
    drop_last_frame: Annotated[
        bool, typer.Option("--drop-last-frame", help="Leave out each video's last frame (benchmarks).")
    ] = False,
    unmirror_frames: Annotated[
        bool,
        typer.Option("--unmirror-frames", help="Frames were mirrored before points were found: undo it."),
    ] = False,
    watch: Annotated[bool, typer.Option(help="Follow the import to its end.")] = True,
    as_json: AsJson = False,
) -> None:
    """Send pose files and have them normalised and packed into a corpus."""
    split = {
        "by": split_by.value,
        "test": tuple(test or ()),
        "test_fraction": test_fraction,
        "seed": split_seed,
        "allow_overlap": allow_overlap,
    }
    options: dict[str, Any] = {
        "name": name or PurePath(source).name.split(".")[0],
        "split": split,
        "format": source_format,
        "profile": profile.value if profile else None,
        "image_width": image_width,
        "image_height": image_height,
        "override_image_size": override_image_size,
        "benchmark_classes": classes,
        "exclude_clips": tuple(exclude or ()),
        "exclude_train_positions": tuple(exclude_at or ()),
        "drop_last_frame": drop_last_frame,
        "unmirror_frames": unmirror_frames,
    }
    with Client() as client:
        if on_server:
            job = client.import_corpus(source, **options)
        else:
            with transfer_bar("uploading") as on_bytes:
                job = client.add_corpus(Path(source), on_bytes=on_bytes, **options)
        job = _follow(client, job, aside=as_json) if watch else job
    if as_json:
        print_json(job)
    elif watch:
        print_fields(report_fields((job.result or {}).get("report") or {}))
    else:
        typer.echo(f"Submitted {job.id}. `signforge watch {job.id}` follows it.")


@app.command(name="list")
def list_corpora(as_json: AsJson = False) -> None:
    """List corpora, newest first."""
    with Client() as client:
        corpora = client.corpora()
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
        empty="There are no corpora. `signforge corpora add PATH --name NAME` makes one.",
    )


@app.command()
def show(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus' id or name.")],
    as_json: AsJson = False,
) -> None:
    """Show one corpus."""
    with Client() as client:
        found = client.corpus(corpus)
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
            *((field, value) for field, value in found.summary.items() if field != "report"),
            *report_fields(found.summary.get("report") or {}),
        ]
    )


@app.command()
def delete(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus' id or name.")],
) -> None:
    """Delete a corpus and free its name; encoders and scores made with it stay."""
    with Client() as client:
        found = client.delete_corpus(corpus)
    typer.echo(f"{found.id} ({found.name}) is deleted.")


def _follow(client: Client, job: Job, *, aside: bool) -> Job:
    typer.echo(f"Submitted {job.id}.", err=True)
    job = watch_until_exit(client, job.id, aside=aside)
    typer.echo(f"Corpus {job.name} is ready: {(job.result or {}).get('corpus_id')}.", err=True)
    return job
