"""`signforge corpora check`: say what an import would understand and find, and keep nothing."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from core.specs.import_jobs import ImportSpec
from signforge.commands.options.import_options import Source, takes_import_options
from signforge.commands.printing.import_report import report_fields, summary_fields
from signforge.commands.printing.terminal import AsJson, print_fields
from signforge.installation import require

_REFUSED = 2
"""Exit code, that of a program whose job cannot be done."""


@takes_import_options
def check(source: Source, *, fields: dict[str, Any], as_json: AsJson = False) -> None:
    """Read pose files as an import would, here, and print what was understood and found. Nothing is kept.

    Exit code 2 means that the import would be refused.
    """
    require("worker", "numpy", "jaxtyping", what="`signforge corpora check`")
    from core.corpora.checking import check_source_of  # the other commands start sooner without numpy
    from core.program.observer import SilentObserver

    spec = ImportSpec.model_validate({"name": "checked", "source": str(Path(source).absolute()), **fields})
    with Console(stderr=True).status(f"reading {source}"):
        checked = check_source_of(spec, SilentObserver())
    if as_json:
        typer.echo(json.dumps(checked.summary, indent=2))
    else:
        print_fields([*summary_fields(checked.summary), *report_fields(checked.summary["report"])])
    if checked.refused_for:
        typer.echo(f"An import would be refused for: {', '.join(checked.refused_for)}.", err=True)
        raise typer.Exit(_REFUSED)
    typer.echo("An import would be accepted.", err=True)
