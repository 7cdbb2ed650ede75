"""`signforge corpora check`: say what an import would understand and find, and keep nothing."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from core.specs.import_jobs import ImportSpec
from signforge.client.specifications import checked_model
from signforge.commands.options.import_options import Source, takes_import_options
from signforge.commands.options.local_source import labels_inside, refuse_videos
from signforge.commands.printing.import_report import report_fields, summary_fields
from signforge.commands.printing.terminal import EXIT_FAILED, AsJson, print_fields
from signforge.installation import require


@takes_import_options
def check(source: Source, *, fields: dict[str, Any], as_json: AsJson = False) -> None:
    """Read pose files as an import would, here, and print what was understood and found. Nothing is kept.

    Exit code 0 means that an import would be accepted, 1 that it would be refused or fail.
    """
    require("worker", "numpy", "jaxtyping", what="`signforge corpora check`")
    from core.corpora.checking import check_source_of  # the other commands start sooner without numpy
    from core.program.observer import SilentObserver

    refuse_videos(Path(source))
    labels = labels_inside(Path(source), fields["labels"])
    everything = {**fields, "name": "checked", "source": str(Path(source).absolute()), "labels": labels}
    spec = checked_model(ImportSpec, everything)
    with Console(stderr=True).status(f"reading {source}"):
        checked = check_source_of(spec, SilentObserver())
    if as_json:
        typer.echo(json.dumps(checked.summary, indent=2))
    else:
        report = report_fields(checked.summary["report"], checked.refused_for)
        print_fields([*summary_fields(checked.summary), *report])
    if checked.refused_for:
        typer.echo(f"An import would be refused for: {', '.join(checked.refused_for)}.", err=True)
        raise typer.Exit(EXIT_FAILED)
    typer.echo("An import would be accepted.", err=True)
