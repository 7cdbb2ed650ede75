"""`signforge embed`: embed pose files with a downloaded encoder, on this machine, without the service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.errors import UserError
from core.specs.counts import counted
from core.specs.fields import Precision
from signforge.commands.options.embed_options import (
    AsFormat,
    AsHeight,
    AsProfile,
    AsSides,
    AsUnmirrored,
    AsWidth,
)
from signforge.commands.options.import_options import (
    Accepted,
    EncodingOfArchive,
    PartOrder,
    parts_in_order,
)
from signforge.installation import require

if TYPE_CHECKING:
    from core.corpora.source import ReadReport

_MAX_EXAMPLES = 3
_MANY_CLIPS = 1000
"""Clips that take long enough to say how many are done."""


def embed(
    encoder: Annotated[
        Path, typer.Argument(metavar="ENCODER", help="A downloaded .safetensors file, or its folder.")
    ],
    poses: Annotated[Path, typer.Argument(metavar="POSES", help="A pose file, archive or folder.")],
    out: Annotated[
        Path, typer.Option(help="File to write: .npz for NumPy, .parquet for data frames.")
    ] = Path("features.npz"),
    source_format: AsFormat = "auto",
    profile: AsProfile = None,
    image_width: AsWidth = None,
    image_height: AsHeight = None,
    sides: AsSides = None,
    unmirror_frames: AsUnmirrored = None,
    part_order: PartOrder = None,
    archive_encoding: EncodingOfArchive = None,
    accept: Accepted = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="bf16 is faster on devices that support it.")] = "fp32",
) -> None:
    """Embed pose files with a downloaded encoder, batch by batch, so that any number fits in memory.

    They are read as the files that the encoder learned from, unless options say otherwise. What would refuse
    an import refuses them too, unless it is accepted.
    """
    require("worker", "numpy", "safetensors", "torch", what="`signforge embed`")
    from core.corpora.refusing import refuse_unaccepted
    from signforge.encoder import load_encoder  # the other commands start sooner without torch
    from signforge.feature_files import feature_file
    from signforge.pose_source import open_poses

    if (image_width is None) != (image_height is None):
        raise UserError("Only one of --image-width and --image-height is given. Give both or neither.")
    size = (image_width, image_height) if image_width and image_height else None
    ready = load_encoder(encoder, device=device, precision=precision)
    with (
        open_poses(
            poses,
            record=ready.preprocessing,
            source_format=source_format,
            profile=profile,
            image_size=size,
            sides=sides,
            unmirror_frames=unmirror_frames,
            part_order=parts_in_order(part_order) or None,
            archive_encoding=archive_encoding,
        ) as source,
        feature_file(out, ready.card) as file,
        _clip_bar(source.num_clips) as show,
    ):
        for batch in ready.embed_stream(source.clips):
            file.add(batch)
            show(file.num_clips + source.report.num_skipped)
        if not file.num_clips:
            raise source.nothing_usable()
        refuse_unaccepted(source.report, accept or (), undone=f"{out} was not written")
    shape = (file.num_clips, ready.card.embedding_width)
    typer.echo(f"{out}: features {shape} float32, of {counted(file.num_clips, 'clip')}.")
    _report(source.report)


def _report(report: "ReadReport") -> None:
    """Print the skipped clips and the assumptions."""
    from core.corpora.source import grouped

    if report.num_skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.skipped.most_common())
        examples = "\n".join(grouped(report.examples)[:_MAX_EXAMPLES])
        typer.echo(
            f"{counted(report.num_skipped, 'clip')} skipped: {reasons}. For example:\n{examples}", err=True
        )
    for note in report.all_notes():
        typer.echo(note, err=True)


@contextmanager
def _clip_bar(num_clips: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; where there is no terminal, a line at each tenth of many clips.

    Yields a function to call with the number of finished clips.
    """
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _progress_lines(num_clips)
        return
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("embedding", total=num_clips)
        yield lambda done: bar.update(task, completed=done)


def _progress_lines(num_clips: int) -> Callable[[int], None]:
    tenths = 0

    def show(done: int) -> None:
        nonlocal tenths
        if num_clips >= _MANY_CLIPS and (reached := 10 * done // num_clips) > tenths:
            tenths = reached
            typer.echo(f"{done} of {num_clips} clips", err=True)

    return show
