"""`signforge export`: convert an encoder to ONNX, torch.export or the released format."""

import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import StorageError, UserError
from signforge.commands.printing.terminal import size
from signforge.installation import require

if TYPE_CHECKING:
    from core.exchange.weights import LoadedEncoder


class Format(StrEnum):
    """Target format of an export."""

    ONNX = "onnx"
    TORCH = "torch"
    RELEASED = "released"


_SUFFIXES = {Format.ONNX: ".onnx", Format.TORCH: ".pt2", Format.RELEASED: ".pth.tar"}


def export(
    encoder: Annotated[
        Path, typer.Argument(metavar="ENCODER", help="A downloaded .safetensors file, or its folder.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: `encoder` with the format's suffix).")
    ] = None,
    format: Annotated[  # noqa: A002 - the option
        Format | None,
        typer.Option(
            help="onnx: for ONNX Runtime; torch: a program of torch.export; released: the paper's released "
            "naming. Default: by the suffix of --out, else onnx."
        ),
    ] = None,
) -> None:
    """Export a downloaded encoder to another format, and verify the result against PyTorch."""
    chosen = format or _format_of(out)
    target = out or Path(f"encoder{_SUFFIXES[chosen]}")
    require("worker", "numpy", "onnx", "safetensors", "torch", what="`signforge export`")
    from core.exchange.weights import load_encoder  # the other commands start sooner without torch

    loaded = load_encoder(encoder)
    try:
        finding = _EXPORTS[chosen](loaded, target)
    except OSError as error:
        raise StorageError(f"Cannot write {target}: {error.strerror}.") from None
    typer.echo(
        f"{target}: {chosen.value}, {size(target.stat().st_size)}, embedding width "
        f"{loaded.card.embedding_width}; {finding}."
    )


def _clean_up_if_ended() -> None:
    """Turn SIGTERM into an exception, so that the unfinished file is deleted."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def _progress(line: str) -> None:
    typer.echo(line, err=True)


def _format_of(out: Path | None) -> Format:
    if out is None:
        return Format.ONNX
    for format_, suffix in _SUFFIXES.items():
        if out.name.endswith(suffix):
            return format_
    raise UserError(
        f"{out.name!r} ends in none of {', '.join(_SUFFIXES.values())}. Choose a format with --format "
        f"{' | '.join(format_.value for format_ in Format)}."
    )


def _onnx(encoder: "LoadedEncoder", out: Path) -> str:
    import onnxruntime  # noqa: F401 - before the next line: exceptions cannot pass through its loading

    from core.exchange.onnx import export_onnx

    _clean_up_if_ended()
    return _difference(export_onnx(encoder, out, report=_progress))


def _torch(encoder: "LoadedEncoder", out: Path) -> str:
    from core.exchange.torch_program import export_program

    _clean_up_if_ended()
    return _difference(export_program(encoder, out, report=_progress))


def _released(encoder: "LoadedEncoder", out: Path) -> str:
    from core.exchange.released_file import export_released, other_depths

    finding = f"its {export_released(encoder, out)} tensors read back bit for bit"
    if others := other_depths(encoder.card):
        finding += (
            f". The released code builds another number of blocks ({', '.join(others)}). Change it to match "
            "before loading the file"
        )
    return finding


def _difference(largest: float) -> str:
    return f"largest difference from PyTorch {largest:.2g}"


_EXPORTS: dict[Format, Callable[["LoadedEncoder", Path], str]] = {
    Format.ONNX: _onnx,
    Format.TORCH: _torch,
    Format.RELEASED: _released,
}
