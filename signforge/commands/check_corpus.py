"""`signforge corpora check`: say what an import would understand and find, and keep nothing."""

import json
from pathlib import Path

import typer
from rich.console import Console

from core.specs.jobs import ImportSpec
from signforge.commands.options.import_options import (
    Accepted,
    AllowOverlap,
    Columns,
    DividedBy,
    DropLastFrame,
    EncodingOfArchive,
    ExcludedClips,
    ExcludedPositions,
    Format,
    ImageHeight,
    ImageWidth,
    Labels,
    NumClasses,
    OverrideImageSize,
    PartOrder,
    Source,
    SplitSeed,
    TestFraction,
    TestGroups,
    Thresholds,
    UnmirrorFrames,
    WhichSides,
    import_fields,
)
from signforge.commands.printing.import_report import report_fields, summary_fields
from signforge.commands.printing.terminal import AsJson, print_fields
from signforge.installation import require

_REFUSED = 2
"""Exit code, that of a program whose job cannot be done."""


def check(
    source: Source,
    split_by: DividedBy = "given",
    test: TestGroups = None,
    test_fraction: TestFraction = 0.2,
    split_seed: SplitSeed = 0,
    allow_overlap: AllowOverlap = False,
    source_format: Format = "auto",
    profile: Thresholds = None,
    image_width: ImageWidth = None,
    image_height: ImageHeight = None,
    override_image_size: OverrideImageSize = False,
    classes: NumClasses = None,
    exclude: ExcludedClips = None,
    exclude_at: ExcludedPositions = None,
    drop_last_frame: DropLastFrame = False,
    unmirror_frames: UnmirrorFrames = False,
    sides: WhichSides = "as_stored",
    part_order: PartOrder = None,
    labels: Labels = None,
    columns: Columns = None,
    archive_encoding: EncodingOfArchive = None,
    accept: Accepted = None,
    as_json: AsJson = False,
) -> None:
    """Read pose files as an import would, here, and print what was understood and found. Nothing is kept.

    Exit code 2 means that the import would be refused.
    """
    require("worker", "numpy", "jaxtyping", what="`signforge corpora check`")
    from core.corpora.checking import check_source_of  # the other commands start sooner without numpy
    from core.program.observer import SilentObserver

    fields = import_fields(
        source,
        name="checked",
        split_by=split_by,
        test=test,
        test_fraction=test_fraction,
        split_seed=split_seed,
        allow_overlap=allow_overlap,
        source_format=source_format,
        profile=profile,
        image_width=image_width,
        image_height=image_height,
        override_image_size=override_image_size,
        classes=classes,
        exclude=exclude,
        exclude_at=exclude_at,
        drop_last_frame=drop_last_frame,
        unmirror_frames=unmirror_frames,
        sides=sides,
        part_order=part_order,
        labels=labels,
        columns=columns,
        archive_encoding=archive_encoding,
        accept=accept,
    )
    spec = ImportSpec.model_validate({"source": str(Path(source).absolute()), **fields})
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
