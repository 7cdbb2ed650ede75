"""Options of `signforge embed` that say how files are read; without one the encoder's record says it."""

from typing import Annotated

import typer

from core.specs.source_formats import Sides, WantedFormat

AsFormat = Annotated[WantedFormat, typer.Option("--format", help="Format of the pose files.")]
AsProfile = Annotated[str | None, typer.Option(help="Confidence thresholds, as at import.")]
AsWidth = Annotated[int | None, typer.Option(min=1, help="Image width in pixels, as at import.")]
AsHeight = Annotated[int | None, typer.Option(min=1, help="Image height in pixels, as at import.")]
AsSides = Annotated[Sides | None, typer.Option(help="Exchange left and right, as at import.")]
AsUnmirrored = Annotated[
    bool | None, typer.Option("--unmirror-frames/--keep-mirrored", help="Undo mirroring, as at import.")
]
