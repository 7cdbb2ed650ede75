"""`signforge export`: an encoder in another format, on this machine, without the service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from core.errors import StorageError
from signforge.commands.terminal import size


class Format(StrEnum):
    """What an encoder can be turned into."""

    ONNX = "onnx"


def export(
    encoder: Annotated[
        Path, typer.Argument(metavar="ENCODER", help="A downloaded .safetensors file, or its folder.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write it.")] = Path("encoder.onnx"),
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.ONNX,  # noqa: A002 - the option
) -> None:
    """Export a downloaded encoder, checked against PyTorch before it is kept."""
    from core.exchange.onnx import export_onnx  # the other commands start sooner without torch
    from core.exchange.weights import load_encoder

    loaded = load_encoder(encoder)
    try:
        difference = export_onnx(loaded, out)
    except OSError as error:
        raise StorageError(f"Cannot write {out}: {error.strerror}.") from None
    typer.echo(
        f"{out}: {format.value}, {size(out.stat().st_size)}, embedding width {loaded.card.embedding_width}; "
        f"differs from PyTorch by at most {difference:.1g}."
    )
